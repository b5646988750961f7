// Gives services, servers and VIPs the small numbers by which the data plane knows them. A number is never given to
// something else while the process lives, so flows and counters survive reloads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/config/model.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

class Identities {
public:
    // nullopt once all 65535 numbers of a kind are given out.
    std::optional<ServiceId> service(const std::string& name) { return number(services_, name); }
    std::optional<ServerId> server(const std::string& pool, wire::Ipv4Address address) {
        return number(servers_, std::pair(pool, address));
    }
    std::optional<std::uint16_t> vip(wire::Ipv4Address vip, config::Protocol protocol) {
        return number(vips_, std::pair(vip, protocol));
    }

    [[nodiscard]] std::size_t service_count() const { return services_.size(); }
    [[nodiscard]] std::size_t server_count() const { return servers_.size(); }

private:
    template <typename Key>
    static std::optional<std::uint16_t> number(std::map<Key, std::uint16_t>& numbers, const Key& key) {
        if (const auto known = numbers.find(key); known != numbers.end()) return known->second;
        if (numbers.size() == kNoId) return std::nullopt;
        return numbers.emplace(key, static_cast<std::uint16_t>(numbers.size())).first->second;
    }

    std::map<std::string, std::uint16_t> services_;
    std::map<std::pair<std::string, wire::Ipv4Address>, std::uint16_t> servers_;
    std::map<std::pair<wire::Ipv4Address, config::Protocol>, std::uint16_t> vips_;
};

}  // namespace dsr::lb
