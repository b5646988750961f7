// What is to be verified: one VIP and port, with what is known of the servers behind it. Made from the command line or
// from the configuration file. Pure values; knows nothing of probing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/wire/address.hpp"

namespace dsr::verify {

using config::Protocol;

// A pool member that new flows may go to.
struct Server {
    wire::Ipv4Address address;
    std::uint32_t weight = 1;
    std::optional<wire::MacAddress> mac{};  // as configured
};

struct Target {
    wire::Ipv4Address vip;
    std::uint16_t port = 0;
    Protocol protocol = Protocol::tcp;
    std::vector<Server> servers;          // empty: not known
    std::uint32_t maglev_table_size = 0;  // of the load balancer; 0: not known, flows cannot be aimed at servers
};

// "203.0.113.10:80/tcp"
std::string to_string(const Target& target);

// Reads 'IP:PORT', 'IP:PORT/tcp' or 'IP:PORT/udp'.
Result<Target> parse_target(std::string_view text);

// Every virtual service at the first port of each entry of its list: a range often has no listener on most of its
// ports.
std::vector<Target> targets_of(const config::Config& config);

// Adds what the configuration knows of this target's servers. Error: no virtual service of the file matches.
Result<Target> with_config(const Target& target, const config::Config& config);

}  // namespace dsr::verify
