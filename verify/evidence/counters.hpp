// The load balancer's own account (GET /api/v1/counters), read into values. Pure; who fetches it is http.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"
#include "common/wire/address.hpp"
#include "verify/target.hpp"

namespace dsr::verify {

struct ServerCounters {
    wire::Ipv4Address address;
    std::optional<wire::MacAddress> mac;  // nothing while it is unresolved
    std::uint64_t packets = 0;            // requests forwarded to it
};

struct ServiceCounters {
    wire::Ipv4Address vip;
    Protocol protocol = Protocol::tcp;
    std::vector<config::PortRange> ports;
    std::uint64_t packets = 0;         // requests forwarded
    std::uint64_t return_packets = 0;  // frames from the VIP that were addressed to the load balancer
    std::vector<ServerCounters> servers;
};

struct LbCounters {
    std::uint64_t received = 0;
    std::vector<ServiceCounters> services;
};

// Error: not the JSON document that lb writes; says what is wrong with it.
Result<LbCounters> parse_counters(std::string_view json);

// The service that handles this target, if the load balancer has one.
const ServiceCounters* find_service(const LbCounters& counters, const Target& target);

}  // namespace dsr::verify
