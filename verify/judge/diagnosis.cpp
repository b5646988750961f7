#include "verify/judge/diagnosis.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "verify/judge/remedy.hpp"

namespace dsr::verify {
namespace {

using wire::Ipv4Address;
using wire::MacAddress;

// The first evidence, if any, of one kind; each function below reads one kind.

bool means_not_local(const IcmpError& error) {  // its sender tried to send the packet on: the VIP is not its own
    return error.type == wire::kIcmpTimeExceeded || error.type == wire::kIcmpRedirect ||
           (error.type == wire::kIcmpDestinationUnreachable && error.code <= 1);  // net, host unreachable
}

bool means_filtered(const IcmpError& error, Protocol protocol) {
    if (error.type != wire::kIcmpDestinationUnreachable) return false;
    const bool prohibited = error.code == 9 || error.code == 10 || error.code == 13;  // RFC 1812 section 5.2.7.1
    // Linux refuses TCP with a reset; port unreachable for TCP is what a REJECT rule sends.
    return prohibited || (error.code == wire::kIcmpCodePortUnreachable && protocol == Protocol::tcp);
}

bool means_no_listener(const IcmpError& error, Protocol protocol) {
    return error.type == wire::kIcmpDestinationUnreachable && error.code == wire::kIcmpCodePortUnreachable &&
           protocol == Protocol::udp;
}

struct ServerEvidence {
    std::vector<const FlowTrace*> flows;  // the ring aims them at the server
    const KnockTrace* knock = nullptr;
    std::vector<IcmpError> errors;  // from the server, about packets to the VIP
    bool strays = false;            // it answers, from another address than the VIP
};

ServerEvidence evidence_of(const Case& c, std::size_t server) {
    ServerEvidence evidence;
    const Ipv4Address address = c.seen.target.servers[server].address;
    const auto mac = c.segment.mac_of(address);
    const auto from_server = [&](const IcmpError& error) {
        return error.source == address || (mac && error.from == *mac);
    };
    for (std::size_t i = 0; i < c.trace.flows.size(); ++i) {
        const FlowTrace& flow = c.trace.flows[i];
        const bool aimed = c.seen.flows[i].server == server;
        if (aimed) evidence.flows.push_back(&flow);
        evidence.strays = evidence.strays || std::ranges::any_of(flow.strays, [&](const Reply& reply) {
                              return aimed || reply.source == address || (mac && reply.from == *mac);
                          });
        // Who owns the VIP reports in its name: then only the ring, or the MAC, says which server it was.
        std::ranges::copy_if(flow.errors, std::back_inserter(evidence.errors), [&](const IcmpError& error) {
            return from_server(error) || (aimed && error.source == c.vip.vip);
        });
    }
    for (std::size_t i = 0; i < c.seen.knocks.size(); ++i) {
        if (c.seen.knocks[i].server != server) continue;
        evidence.knock = &c.trace.knocks[i];
        evidence.strays = evidence.strays || !evidence.knock->direct.strays.empty();
        for (const auto* errors : {&evidence.knock->direct.errors, &evidence.knock->echo_errors})
            std::ranges::copy_if(*errors, std::back_inserter(evidence.errors), from_server);
    }
    return evidence;
}

// Whatever this server sends to the client arrives from the load balancer's MAC: its route to the client leads there.
bool returns_through_lb(const Case& c, const ServerEvidence& evidence) {
    if (!c.segment.lb() || evidence.knock == nullptr) return false;
    const auto from_lb = [&](const auto& packet) { return packet.from == *c.segment.lb(); };
    const KnockTrace& knock = *evidence.knock;
    return std::ranges::any_of(knock.own.replies, from_lb) || std::ranges::any_of(knock.direct.replies, from_lb) ||
           std::ranges::any_of(knock.elsewhere_errors, from_lb) || knock.echo_reply == c.segment.lb();
}

bool refuses(const ServerEvidence& evidence, Protocol protocol) {
    const auto refused = [](const FlowTrace* flow) { return flow->refused(); };
    return std::ranges::any_of(evidence.flows, refused) ||
           (evidence.knock != nullptr && evidence.knock->direct.refused()) ||
           std::ranges::any_of(evidence.errors, [&](const IcmpError& e) { return means_no_listener(e, protocol); });
}

bool server_is_up(const KnockTrace& knock) {
    return !knock.own.replies.empty() || !knock.own.errors.empty();
}

// No row of the fault matrix: the service works, and answers in the wrong name.
Diagnosis strayed(std::string where) {
    return {std::nullopt, "replies come from another address than the VIP: see source-is-vip", std::move(where),
            "see source-is-vip"};
}

// The load balancer sends to the MAC that its configuration gives; the address is elsewhere.
std::optional<Diagnosis> diagnose_static_mac(const Case& c, const Server& server, const std::string& where) {
    const auto heard = c.vip_trace.neighbors.find(server.address);
    if (!server.mac || heard == c.vip_trace.neighbors.end() || heard->second == *server.mac) return std::nullopt;
    const std::string address = wire::to_string(server.address);
    return Diagnosis{std::nullopt,
                     fmt::format("the configuration gives {} the MAC {}, ARP says {}", address,
                                 wire::to_string(*server.mac), wire::to_string(heard->second)),
                     where, fmt::format("in the configuration correct 'mac' of {}, or leave it out", address)};
}

// The server is silent to everything for the VIP, also when asked without the load balancer.
Diagnosis diagnose_silence(const Case& c, const KnockTrace& knock, Ipv4Address address, const std::string& where) {
    const std::string vip = wire::to_string(c.vip.vip);
    // Its MAC may be known from the configuration or the counters and yet be of another segment, beyond a router.
    const auto routed = [&](const Reply& reply) { return c.segment.crossed_router(reply); };
    const bool asked = !knock.direct.sent_to.empty() && std::ranges::none_of(knock.own.replies, routed);
    if (knock.echo_reply)
        return {"firewall", fmt::format("owns {} (it answers ping) and drops {}", vip, c.subject), where,
                remedy("firewall", c.vip.vip, address)};
    if (asked && !knock.elsewhere_errors.empty())
        // It reports packets it cannot forward, and reported nothing for the VIP: so it took them, and dropped them.
        return {"firewall", fmt::format("takes packets for {} and answers none, not even ping", vip), where,
                remedy("firewall", c.vip.vip, address)};
    if (!asked && server_is_up(knock))
        return {
            std::nullopt,
            fmt::format("answers at its own address {} and is silent for {}: the VIP may be missing, or filtered, or "
                        "its replies get lost",
                        wire::to_string(address), vip),
            where, fmt::format("on {} run: serverprep --check --vip {}", wire::to_string(address), vip)};
    if (server_is_up(knock))
        // Also what a filter on a host that forwards nothing would look like; a missing VIP is the commoner cause.
        return {"vip-missing",
                fmt::format("answers at its own address {} and is silent for {}: most likely it does not own the VIP",
                            wire::to_string(address), vip),
                where, remedy("vip-missing", c.vip.vip, address)};
    return {
        std::nullopt,
        "does not answer at its own address either: down, filtered, or its replies to this client get lost", where,
        fmt::format("bring the server up and check that {} can be reached from the client", wire::to_string(address))};
}

// Every server was looked at again and is up, and none said anything about the VIP: the common cause comes first.
bool servers_answer_elsewhere(const Case& c) {
    const auto heard = [](const FlowTrace& flow) { return !flow.replies.empty() || !flow.strays.empty(); };
    return c.trace.knocks.size() > 1 && c.trace.knocks.size() == c.seen.target.servers.size() &&
           std::ranges::all_of(c.trace.knocks, server_is_up) && std::ranges::none_of(c.trace.flows, heard);
}

}  // namespace

bool lb_answers_itself(const Case& c) {
    bool any = false;
    for (const FlowTrace& flow : c.trace.flows)
        for (const Reply& reply : flow.replies) {
            if (c.segment.lb() != reply.from) continue;
            if (!is_initial_ttl(reply.ttl)) return false;
            any = true;
        }
    return any;
}

std::optional<Diagnosis> diagnose_path(const Case& c) {
    const std::string vip = wire::to_string(c.vip.vip);
    if (lb_answers_itself(c))
        return Diagnosis{"return-via-lb", fmt::format("the load balancer's own host answers for {}", vip),
                         c.segment.describe(*c.segment.lb()), remedy(kVipOnLb, c.vip.vip)};
    if (c.counters && c.counters->returns > 0)
        return Diagnosis{
            "return-via-lb",
            fmt::format("the load balancer got {} frames that {} sent as replies", c.counters->returns, vip),
            "the servers' route to the client", remedy("return-via-lb", c.vip.vip)};
    if (c.answered > 0) return std::nullopt;
    if (c.segment.on_link() && c.vip.arp_audited && c.vip_trace.arp_answers.empty())
        return Diagnosis{"lb-not-reached", fmt::format("nobody answers ARP for {}", vip), "the load balancer",
                         remedy("lb-not-reached", c.vip.vip)};
    if (!c.counters && !c.segment.on_link() && servers_answer_elsewhere(c))
        return Diagnosis{"lb-not-reached",
                         fmt::format("no server answers for {} and each one answers at its own address", vip),
                         "the load balancer, or the route to it", remedy("lb-not-reached", c.vip.vip)};
    if (!c.counters) return std::nullopt;
    if (c.counters->received < c.requests)
        return Diagnosis{"lb-not-reached",
                         fmt::format("{} request frames were sent, the load balancer received {} of any kind",
                                     c.requests, c.counters->received),
                         "between the client and the load balancer", remedy("lb-not-reached", c.vip.vip)};
    if (!c.counters->service_known)
        return Diagnosis{"not-forwarded", fmt::format("the load balancer has no virtual service {}", c.subject),
                         "the load balancer", remedy("not-forwarded", c.vip.vip)};
    if (c.counters->packets == 0)
        return Diagnosis{"not-forwarded",
                         fmt::format("{} request frames were sent, the load balancer forwarded none", c.requests),
                         "the load balancer", remedy("not-forwarded", c.vip.vip)};
    return std::nullopt;
}

Diagnosis diagnose_server(const Case& c, std::size_t server) {
    const Ipv4Address address = c.seen.target.servers[server].address;
    const std::string where = c.segment.describe(address);
    const ServerEvidence evidence = evidence_of(c, server);
    const auto finding = [&](const char* id, std::string actual) {
        return Diagnosis{id, std::move(actual), where, remedy(id, c.vip.vip, address)};
    };
    if (evidence.strays) return strayed(where);
    if (auto mismatch = diagnose_static_mac(c, c.seen.target.servers[server], where)) return *std::move(mismatch);
    const Protocol protocol = c.seen.target.protocol;
    if (returns_through_lb(c, evidence))
        return finding("return-via-lb", "what the server sends to the client arrives from the load balancer's MAC");
    if (const auto e = std::ranges::find_if(evidence.errors, means_not_local); e != evidence.errors.end())
        return finding("vip-missing",
                       fmt::format("sends packets for {} on instead of taking them (ICMP type {} from {})",
                                   wire::to_string(c.vip.vip), e->type, wire::to_string(e->source)));
    if (std::ranges::any_of(evidence.errors, [&](const IcmpError& e) { return means_filtered(e, protocol); }))
        return finding("firewall", fmt::format("a packet filter rejects {}", c.subject));
    if (refuses(evidence, protocol)) {
        if (evidence.knock != nullptr && evidence.knock->own.answered())
            return finding("listener-address", fmt::format("refuses {} and accepts {}:{}", c.subject,
                                                           wire::to_string(address), c.seen.target.port));
        return finding("no-listener", fmt::format("refuses {}: nothing listens there", c.subject));
    }
    if (evidence.knock == nullptr)
        return {std::nullopt, "its flows are not answered", where,
                fmt::format("run: serverprep --check --vip {} on it", wire::to_string(c.vip.vip))};
    if (evidence.knock->direct.answered())
        return {"not-forwarded", "answers when asked directly, and gets no requests through the load balancer",
                "the load balancer", remedy("not-forwarded", c.vip.vip)};
    return diagnose_silence(c, *evidence.knock, address, where);
}

Diagnosis diagnose_unattributed(const Case& c) {
    const Protocol protocol = c.seen.target.protocol;
    for (const FlowTrace& flow : c.trace.flows) {
        if (flow.answered()) continue;
        for (const IcmpError& error : flow.errors) {
            const bool from_lb = c.segment.lb() == error.from;
            const auto at = [&](const char* id, std::string actual) {
                return Diagnosis{id, std::move(actual),
                                 c.segment.is_server(error.from) ? c.segment.describe(error.from)
                                                                 : fmt::format("{} ({})", wire::to_string(error.source),
                                                                               c.segment.describe(error.from)),
                                 remedy(id, c.vip.vip, error.source)};
            };
            if (means_no_listener(error, protocol))
                return at("no-listener", fmt::format("{} is refused (port unreachable)", c.subject));
            if (means_filtered(error, protocol))
                return at("firewall", fmt::format("{} is rejected (ICMP type 3 code {})", c.subject, error.code));
            if (c.segment.on_link() && !from_lb && means_not_local(error))
                return at("vip-missing", fmt::format("a host sends packets for the VIP on instead of taking them "
                                                     "(ICMP type {})",
                                                     error.type));
            if (!c.segment.on_link() && error.type == wire::kIcmpDestinationUnreachable && error.code <= 1)
                return at("lb-not-reached", "a router reports that the VIP is unreachable");
        }
        if (!flow.refused()) continue;
        const Reply& reset = flow.replies.front();
        return {"no-listener", fmt::format("{} is refused (TCP reset)", c.subject),
                c.segment.on_link() ? c.segment.describe(reset.from) : "a server of the service",
                remedy("no-listener", c.vip.vip)};
    }
    if (std::ranges::any_of(c.trace.flows, [](const FlowTrace& flow) { return !flow.strays.empty(); }))
        return strayed("a server of the service");
    return {std::nullopt,
            fmt::format("{} unanswered", count_of(c.trace.flows.size() - c.answered, c.trace.flows.size())),
            "a server of the service, or the load balancer",
            "run verify again with --config F or --lb URL: then the server is named"};
}

}  // namespace dsr::verify
