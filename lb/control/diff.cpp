#include "lb/control/diff.hpp"

#include <algorithm>
#include <cstdio>

#include "common/sys/terminal.hpp"
#include "lb/control/console.hpp"
#include "lb/control/status.hpp"
#include "lb/state/diff.hpp"
#include "lb/state/needs_restart.hpp"

namespace dsr::lb {
namespace {

std::string_view text(Change change) {
    constexpr std::string_view kTexts[] = {"none", "added", "removed", "changed"};
    return kTexts[static_cast<std::size_t>(change)];
}

std::string_view text(config::DsrType type) {
    return type == config::DsrType::l2 ? "l2" : "l3";
}

std::string seconds_text(std::chrono::seconds timeout) {
    return timeout.count() == 0 ? "never" : std::to_string(timeout.count()) + " s";
}

std::string outer_source_text(const ServiceFacts& facts) {
    return facts.outer_source ? wire::to_string(*facts.outer_source) : "interface";
}

std::string echo_text(const ServiceFacts& facts) {
    return facts.icmp_echo == config::IcmpEcho::answer ? "answer" : "forward";
}

Json facts_json(const std::optional<ServiceFacts>& facts) {
    if (!facts) return nullptr;
    return {{"vip", wire::to_string(facts->vip)}, {"protocol", protocol_text(facts->protocol)},
            {"ports", ports_text(facts->ports)},  {"network_profile", facts->profile},
            {"dsr_type", text(facts->dsr_type)},  {"session_idle_timeout", facts->session_idle_timeout.count()},
            {"per_packet", facts->per_packet},    {"outer_source", outer_source_text(*facts)},
            {"icmp_echo", echo_text(*facts)},     {"pool", facts->pool}};
}

Json state_json(const std::optional<config::ServerState>& state) {
    return state ? Json(state_text(*state)) : Json(nullptr);
}

bool uses(const ServiceDifference& service, const std::string& pool) {
    return (service.before && service.before->pool == pool) || (service.after && service.after->pool == pool);
}

Json document(const Difference& difference) {
    Json pools = Json::array();
    for (const auto& pool : difference.pools) {
        Json services = Json::array();
        for (const auto& service : difference.services)
            if (uses(service, pool.name)) services.push_back(service.name);
        Json servers = Json::array();
        for (const auto& server : pool.servers)
            servers.push_back({{"address", wire::to_string(server.address)},
                               {"state_before", state_json(server.state_before)},
                               {"state_after", state_json(server.state_after)},
                               {"slots_before", server.slots_before},
                               {"slots_after", server.slots_after}});
        pools.push_back({{"pool", pool.name},
                         {"change", text(pool.change)},
                         {"table_size_before", pool.table_size_before},
                         {"table_size_after", pool.table_size_after},
                         {"slots_moved", pool.slots_moved},
                         {"slots_moved_share", pool.slots_moved_share},
                         {"services", services},
                         {"servers", servers}});
    }
    Json services = Json::array();
    for (const auto& service : difference.services)
        services.push_back({{"service", service.name},
                            {"change", text(service.change)},
                            {"before", facts_json(service.before)},
                            {"after", facts_json(service.after)}});
    return {{"pools", pools}, {"virtual_services", services}, {"load_balancer", difference.settings}};
}

std::string whole(const ServiceFacts& facts) {
    return std::string(protocol_text(facts.protocol)) + " " + wire::to_string(facts.vip) + " ports " +
           ports_text(facts.ports) + ", profile " + facts.profile + ", pool " + facts.pool;
}

// "ports 80 -> 80,443, pool web -> web2": only what differs.
std::string changes(const ServiceFacts& before, const ServiceFacts& after) {
    std::string all;
    const auto add = [&all](const char* what, const std::string& old_text, const std::string& new_text) {
        if (old_text != new_text)
            all += (all.empty() ? "" : ", ") + std::string(what) + " " + old_text + " -> " + new_text;
    };
    add("vip", wire::to_string(before.vip), wire::to_string(after.vip));
    add("protocol", std::string(protocol_text(before.protocol)), std::string(protocol_text(after.protocol)));
    add("ports", ports_text(before.ports), ports_text(after.ports));
    add("profile", before.profile, after.profile);
    add("dsr_type", std::string(text(before.dsr_type)), std::string(text(after.dsr_type)));
    add("idle timeout", seconds_text(before.session_idle_timeout), seconds_text(after.session_idle_timeout));
    const auto yes_or_no = [](bool value) { return std::string(value ? "true" : "false"); };
    add("per_packet", yes_or_no(before.per_packet), yes_or_no(after.per_packet));
    add("outer_source", outer_source_text(before), outer_source_text(after));
    add("icmp_echo", echo_text(before), echo_text(after));
    add("pool", before.pool, after.pool);
    return all;
}

std::string detail(const ServiceDifference& service) {
    if (service.before && service.after) return changes(*service.before, *service.after);
    return whole(service.after ? *service.after : *service.before);
}

std::string detail(const PoolDifference& pool) {
    char share[32];
    std::snprintf(share, sizeof share, "%.2f %%", pool.slots_moved_share * 100);
    const auto slots = std::max(pool.table_size_before, pool.table_size_after);
    std::string sentence =
        std::to_string(pool.slots_moved) + " of " + std::to_string(slots) + " slots change (" + share + ")";
    if (pool.change == Change::changed && pool.table_size_before != pool.table_size_after)
        sentence +=
            ", table size " + std::to_string(pool.table_size_before) + " -> " + std::to_string(pool.table_size_after);
    return sentence;
}

bool differs(const ServerDifference& server) {
    return server.state_before != server.state_after || server.slots_before != server.slots_after;
}

std::string_view change_text(const ServerDifference& server) {
    if (!server.state_before) return "added";
    if (!server.state_after) return "removed";
    return server.state_before == server.state_after ? "changed" : state_text(*server.state_after);
}

std::string detail(const ServerDifference& server) {
    std::string sentence = std::to_string(server.slots_before) + " -> " + std::to_string(server.slots_after) + " slots";
    if (server.state_after == config::ServerState::enabled && server.slots_before > 0 && server.slots_after == 0)
        sentence += ", takes no new flows";
    else if (server.state_after == config::ServerState::draining)
        sentence += ", takes no new flows, keeps its established ones";
    else if (server.state_before && server.loses_flows())
        sentence += ", its established flows go to other servers";
    return sentence;
}

// One row for each service, pool and server that changes, the servers below their pool.
std::vector<std::vector<sys::Cell>> rows_of(const Difference& difference) {
    std::vector<std::vector<sys::Cell>> rows;
    const auto add = [&rows](const char* what, const std::string& name, std::string_view change,
                             const std::string& more) {
        rows.push_back({sys::Cell{what, sys::Colour::dim}, sys::Cell{name, sys::Colour::bold},
                        sys::Cell{std::string(change)}, sys::Cell{more}});
    };
    for (const auto& service : difference.services)
        if (service.change != Change::none) add("service", service.name, text(service.change), detail(service));
    for (const auto& pool : difference.pools) {
        if (pool.change == Change::none) continue;
        add("pool", pool.name, text(pool.change), detail(pool));
        for (const auto& server : pool.servers)
            if (differs(server)) add("  server", wire::to_string(server.address), change_text(server), detail(server));
    }
    for (const auto& key : difference.settings)
        add("setting", "load_balancer." + key, "changed", "takes effect by the reload");
    return rows;
}

}  // namespace

int diff(const DiffOptions& options) {
    const auto before = read_config(options.before);
    const auto after = read_config(options.after);  // read also when the first is wrong: every mistake at once
    if (!before || !after) return 2;
    const auto result = difference(*before, *after);
    if (!result) {
        say(result.error().message);
        return 2;
    }
    const auto restart = needs_restart(before->load_balancer, after->load_balancer);
    if (options.json) {
        Json json = document(*result);
        json["needs_restart"] = restart ? Json("load_balancer." + *restart) : Json(nullptr);
        std::printf("%s\n", json.dump().c_str());
        return 0;
    }
    auto rows = rows_of(*result);
    if (restart)
        rows.push_back({sys::Cell{"restart", sys::Colour::yellow}, sys::Cell{"load_balancer." + *restart},
                        sys::Cell{"changed"}, sys::Cell{"a reload refuses this: restart lb"}});
    std::fputs(rows.empty() ? "nothing changes\n" : sys::format_table(rows, sys::Painter(stdout)).c_str(), stdout);
    return 0;
}

}  // namespace dsr::lb
