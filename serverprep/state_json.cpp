// The state file's format. Exceptions of the JSON library end here.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "serverprep/state.hpp"

namespace dsr::serverprep {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

json setting_to_json(const Setting& setting) {
    return {{"name", to_string(setting.name)}, {"where", setting.where}};
}

Setting setting_from_json(const json& value) {
    const auto name = parse_setting_name(value.at("name").get<std::string>());
    if (!name) throw std::runtime_error("unknown setting");
    return {*name, value.at("where").get<std::string>()};
}

wire::Ipv4Address address_from_json(const json& value) {
    const auto address = wire::Ipv4Address::parse(value.get<std::string>());
    if (!address) throw std::runtime_error("malformed address");
    return *address;
}

json addresses_to_json(const std::set<wire::Ipv4Address>& addresses) {
    json list = json::array();
    for (wire::Ipv4Address address : addresses)
        list.push_back(wire::to_string(address));
    return list;
}

std::set<wire::Ipv4Address> addresses_from_json(const json& list) {
    std::set<wire::Ipv4Address> addresses;
    for (const json& address : list)
        addresses.insert(address_from_json(address));
    return addresses;
}

RememberedSetting remembered_from_json(const json& entry) {
    RememberedSetting remembered;
    entry.at("link_index").get_to(remembered.link_index);
    entry.at("before").get_to(remembered.before);
    entry.at("written").get_to(remembered.written);
    remembered.needed_by = addresses_from_json(entry.at("needed_by"));
    for (const json& other : entry.at("collateral"))
        remembered.collateral.emplace(setting_from_json(other), other.at("before").get<std::uint32_t>());
    return remembered;
}

}  // namespace

std::string to_json(const State& state, const std::string& boot_id) {
    json settings = json::array();
    for (const auto& [setting, remembered] : state.settings) {
        json entry = setting_to_json(setting);
        entry["link_index"] = remembered.link_index;
        entry["before"] = remembered.before;
        entry["written"] = remembered.written;
        entry["needed_by"] = addresses_to_json(remembered.needed_by);
        entry["collateral"] = json::array();
        for (const auto& [other, before] : remembered.collateral) {
            json value = setting_to_json(other);
            value["before"] = before;
            entry["collateral"].push_back(std::move(value));
        }
        settings.push_back(std::move(entry));
    }
    const json document{{"version", kVersion},
                        {"boot_id", boot_id},
                        {"own_vips", addresses_to_json(state.own_vips)},
                        {"settings", std::move(settings)}};
    return document.dump(2) + "\n";
}

Result<State> state_from_json(const std::string& text, const std::string& boot_id) {
    try {
        const json document = json::parse(text);
        if (document.at("version").get<int>() != kVersion) return fail("it is of another version of serverprep");
        State state;
        if (document.at("boot_id").get<std::string>() != boot_id) return state;
        state.own_vips = addresses_from_json(document.at("own_vips"));
        for (const json& entry : document.at("settings"))
            state.settings.emplace(setting_from_json(entry), remembered_from_json(entry));
        return state;
    } catch (const std::exception& error) {
        return fail(fmt::format("it is damaged: {}", error.what()));
    }
}

}  // namespace dsr::serverprep
