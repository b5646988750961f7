// What a reload from one configuration to another would change: services, and which server owns which share of each
// pool's flows. Pure; asks the same ring as the forwarding table. Knows nothing of flows that are established: those
// stay where they are as long as their server keeps flows.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"

namespace dsr::lb {

enum class Change : std::uint8_t { none, added, removed, changed };

struct ServerDifference {
    wire::Ipv4Address address;
    std::optional<config::ServerState> state_before;  // nullopt: not in this file's pool
    std::optional<config::ServerState> state_after;
    std::uint32_t slots_before = 0;
    std::uint32_t slots_after = 0;

    // Flows that it may have do not stay: it is disabled or gone, and was not before.
    [[nodiscard]] bool loses_flows() const;
};

struct PoolDifference {
    std::string name;
    Change change = Change::none;
    std::uint32_t table_size_before = 0;  // both the same when only one file has the pool
    std::uint32_t table_size_after = 0;
    // Slots whose owner, by address, is another one, or none on one side. A pool in one file only: those that have an
    // owner, which are all unless no server takes new flows. Different table sizes: the share times the larger size,
    // rounded.
    std::uint32_t slots_moved = 0;
    // The share of hash values, and so of new flows, that get another server: 0..1. For one table size this is
    // slots_moved / table size; for two, both tables are laid over the space of hashes.
    double slots_moved_share = 0;
    std::vector<ServerDifference> servers;  // of either file, by address
};

// What a virtual service is to its clients and servers, by name.
struct ServiceFacts {
    wire::Ipv4Address vip;
    config::Protocol protocol = config::Protocol::tcp;
    std::vector<config::PortRange> ports;
    std::string profile;
    config::DsrType dsr_type = config::DsrType::l2;  // this and what follows, up to outer_source, are the profile's
    std::chrono::seconds session_idle_timeout{0};
    bool per_packet = false;
    std::optional<wire::Ipv4Prefix> outer_source;  // nullopt: the interface's address
    config::IcmpEcho icmp_echo = config::IcmpEcho::answer;
    std::string pool;
    friend bool operator==(const ServiceFacts&, const ServiceFacts&) = default;
};

struct ServiceDifference {
    std::string name;
    Change change = Change::none;
    std::optional<ServiceFacts> before;
    std::optional<ServiceFacts> after;
};

struct Difference {
    std::vector<PoolDifference> pools;        // of either file, by name
    std::vector<ServiceDifference> services;  // of either file, by name
    std::vector<std::string> settings;        // keys of load_balancer that differ and that a reload takes over
};

// Error: a ring that cannot be built.
Result<Difference> difference(const config::Config& before, const config::Config& after);

}  // namespace dsr::lb
