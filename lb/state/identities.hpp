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
    // nullopt once all numbers of a kind are given out: 65,535 services, as many VIPs, 16,777,215 servers.
    std::optional<ServiceId> service(const std::string& name) { return number(services_, name, kNoId); }
    std::optional<ServerId> server(const std::string& pool, wire::Ipv4Address address) {
        return number(servers_, std::pair(pool, address), kNoServer);
    }
    std::optional<std::uint16_t> vip(wire::Ipv4Address vip, config::Protocol protocol) {
        return number(vips_, std::pair(vip, protocol), kNoId);
    }

    [[nodiscard]] std::size_t service_count() const { return services_.size(); }
    [[nodiscard]] std::size_t server_count() const { return servers_.size(); }

private:
    template <typename Key, typename Number>
    static std::optional<Number> number(std::map<Key, Number>& numbers, const Key& key, Number count) {
        if (const auto known = numbers.find(key); known != numbers.end()) return known->second;
        if (numbers.size() == count) return std::nullopt;
        return numbers.emplace(key, static_cast<Number>(numbers.size())).first->second;
    }

    std::map<std::string, std::uint16_t> services_;
    std::map<std::pair<std::string, wire::Ipv4Address>, ServerId> servers_;
    std::map<std::pair<wire::Ipv4Address, config::Protocol>, std::uint16_t> vips_;
};

}  // namespace dsr::lb
