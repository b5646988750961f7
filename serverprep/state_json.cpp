// The state file's format. Exceptions of the JSON library end here.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "serverprep/state.hpp"

namespace dsr::serverprep {
namespace {

using nlohmann::json;

constexpr int kVersion = 2;

json setting_to_json(const Setting& setting) {
    return {{"name", to_string(setting.name)}, {"where", setting.where}};
}

Setting setting_from_json(const json& value) {
    const auto name = parse_setting_name(value.at("name").get<std::string>());
    if (!name) throw std::runtime_error("unknown setting");
    return {*name, value.at("where").get<std::string>()};
}

template <typename Value>
Value known(std::optional<Value> value, const char* what) {
    if (!value) throw std::runtime_error(fmt::format("malformed {}", what));
    return *value;
}

wire::Ipv4Address address_from_json(const json& value) {
    return known(wire::Ipv4Address::parse(value.get<std::string>()), "address");
}

json remembered_to_json(const Setting& setting, const RememberedSetting& remembered) {
    json entry = setting_to_json(setting);
    entry["link_index"] = remembered.link_index;
    entry["before"] = remembered.before;
    entry["written"] = remembered.written;
    entry["collateral"] = json::array();
    for (const auto& [other, before] : remembered.collateral) {
        json value = setting_to_json(other);
        value["before"] = before;
        entry["collateral"].push_back(std::move(value));
    }
    return entry;
}

RememberedSetting remembered_from_json(const json& entry) {
    RememberedSetting remembered;
    entry.at("link_index").get_to(remembered.link_index);
    entry.at("before").get_to(remembered.before);
    entry.at("written").get_to(remembered.written);
    for (const json& other : entry.at("collateral"))
        remembered.collateral.emplace(setting_from_json(other), other.at("before").get<std::uint32_t>());
    return remembered;
}

json vip_to_json(const RememberedVip& vip) {
    const ServedVip& served = vip.served;
    json sources = json::array();
    for (const wire::Ipv4Prefix& source : served.load_balancers)
        sources.push_back(wire::to_string(source));
    return {{"vip", wire::to_string(served.vip)},   {"dsr_type", to_string(served.dsr_type)},
            {"interface", served.interface},        {"ip_forward", served.ip_forward},
            {"from_config", served.from_config},    {"decap", to_string(served.decap)},
            {"load_balancers", std::move(sources)}, {"path_mtu", served.path_mtu},
            {"own_address", vip.own_address}};
}

RememberedVip vip_from_json(const json& entry) {
    RememberedVip vip;
    ServedVip& served = vip.served;
    served.vip = address_from_json(entry.at("vip"));
    served.dsr_type = known(parse_dsr_type(entry.at("dsr_type").get<std::string>()), "DSR type");
    entry.at("interface").get_to(served.interface);
    entry.at("ip_forward").get_to(served.ip_forward);
    entry.at("from_config").get_to(served.from_config);
    served.decap = known(parse_decap_kind(entry.at("decap").get<std::string>()), "decapsulation");
    for (const json& source : entry.at("load_balancers"))
        served.load_balancers.insert(known(wire::Ipv4Prefix::parse(source.get<std::string>()), "prefix"));
    entry.at("path_mtu").get_to(served.path_mtu);
    entry.at("own_address").get_to(vip.own_address);
    return vip;
}

}  // namespace

std::string to_json(const State& state, const std::string& boot_id) {
    json vips = json::array();
    for (const auto& [address, vip] : state.vips)
        vips.push_back(vip_to_json(vip));
    json settings = json::array();
    for (const auto& [setting, remembered] : state.settings)
        settings.push_back(remembered_to_json(setting, remembered));
    json tunnels = json::object();
    for (const auto& [name, remote] : state.own_tunnels)
        tunnels[name] = wire::to_string(remote);
    const json document{{"version", kVersion},
                        {"boot_id", boot_id},
                        {"persistent", state.persistent},
                        {"guarded", state.guarded},
                        {"vips", std::move(vips)},
                        {"settings", std::move(settings)},
                        {"own_tunnels", std::move(tunnels)},
                        {"own_tunnel_addresses", state.own_tunnel_addresses},
                        {"own_clsacts", state.own_clsacts}};
    return document.dump(2) + "\n";
}

Result<State> state_from_json(const std::string& text, const std::string& boot_id) {
    try {
        const json document = json::parse(text);
        State state;
        if (document.at("boot_id").get<std::string>() != boot_id) return state;
        if (document.at("version").get<int>() != kVersion)
            return fail(
                "it is of another version of serverprep: undo with that one, or delete the file to forget how "
                "things were before");
        document.at("persistent").get_to(state.persistent);
        document.at("guarded").get_to(state.guarded);
        for (const json& entry : document.at("vips")) {
            RememberedVip vip = vip_from_json(entry);
            const wire::Ipv4Address address = vip.served.vip;
            state.vips.emplace(address, std::move(vip));
        }
        for (const json& entry : document.at("settings"))
            state.settings.emplace(setting_from_json(entry), remembered_from_json(entry));
        for (const auto& [name, remote] : document.at("own_tunnels").items())
            state.own_tunnels.emplace(name, address_from_json(remote));
        document.at("own_tunnel_addresses").get_to(state.own_tunnel_addresses);
        document.at("own_clsacts").get_to(state.own_clsacts);
        return state;
    } catch (const std::exception& error) {
        return fail(fmt::format("it is damaged: {}", error.what()));
    }
}

}  // namespace dsr::serverprep
