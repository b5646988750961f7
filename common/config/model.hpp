// The configuration file as plain values, every default filled in and every reference checked. Made by reader.hpp.
// Knows nothing of YAML, nor of the machine it runs on: what the kernel knows stays unset here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/wire/address.hpp"

namespace dsr::config {

enum class Driver : std::uint8_t { pcap, dpdk };
enum class Protocol : std::uint8_t { tcp = 6, udp = 17 };  // the IPv4 protocol numbers
enum class DsrType : std::uint8_t { l2, l3 };
enum class IcmpEcho : std::uint8_t { answer, forward };  // a ping of the VIP: lb answers, or a server does
enum class ServerState : std::uint8_t { enabled, draining, disabled };
enum class MonitorType : std::uint8_t { none, tcp, udp, ping };

struct Interface {
    std::string name;
    std::string device;  // dpdk only: PCI address or vdev string
    std::optional<wire::Ipv4Prefix> address;
    std::optional<wire::MacAddress> mac;
    std::optional<std::uint32_t> mtu;  // bytes, 576..65535
    std::optional<wire::Ipv4Address> gateway;
    std::string kernel_interface;  // dpdk only: the TAP through which the kernel gets what is not lb's; empty: none
    friend bool operator==(const Interface&, const Interface&) = default;
};

enum class HugePages : std::uint8_t {
    automatic,  // where the kernel has some free
    none,
};

// What only driver dpdk needs.
struct Dpdk {
    HugePages huge_pages = HugePages::automatic;
    std::optional<std::uint32_t> memory;  // MiB, 64..1048576; unset: as much as the ports and workers need
    std::vector<std::uint32_t> cores;     // of the workers, and one more where a receiving core is needed; empty: any
    std::vector<std::string> eal_args;    // handed to the EAL as they are, after our own
    friend bool operator==(const Dpdk&, const Dpdk&) = default;
};

struct Neighbor {
    wire::Ipv4Address address;
    wire::MacAddress mac;
    friend bool operator==(const Neighbor&, const Neighbor&) = default;
};

struct LoadBalancer {
    Driver driver = Driver::pcap;
    std::vector<Interface> interfaces;  // 1 (one-arm) or 2 (client side, server side)
    std::vector<Neighbor> neighbors;
    std::uint32_t workers = 1;
    std::uint32_t flow_table_entries = 1048576;   // per worker
    std::uint32_t new_flows_per_second = 250000;  // per worker, entered into its flow table; 0: no limit
    std::uint32_t maglev_table_size = 65537;      // prime
    std::string control_socket = "/run/dsr/lb.sock";
    std::string http = "127.0.0.1:9420";  // ADDRESS:PORT; empty: off
    Dpdk dpdk;
};

struct NetworkProfile {
    std::string name;
    Protocol protocol = Protocol::tcp;
    std::chrono::seconds session_idle_timeout{300};  // 0: never
    DsrType dsr_type = DsrType::l2;
    bool per_packet = false;  // udp only: every datagram is hashed anew
    // l3 only: the outer source is an address of this network, chosen by the flow's hash; unset: the interface's own.
    // Length 8..30, no host bits, and none of its addresses is one that the file names.
    std::optional<wire::Ipv4Prefix> outer_source;
};

struct Server {
    wire::Ipv4Address address;
    std::uint32_t weight = 1;
    ServerState state = ServerState::enabled;
    std::optional<wire::MacAddress> mac;
};

struct HealthMonitor {
    MonitorType type = MonitorType::none;
    std::chrono::seconds interval{2};
    std::chrono::seconds timeout{1};
    std::uint32_t rise = 2;
    std::uint32_t fall = 3;
};

struct Pool {
    std::string name;
    std::vector<Server> servers;
    HealthMonitor health_monitor;
};

// Inclusive.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    friend constexpr bool operator==(const PortRange&, const PortRange&) = default;
};

struct VirtualService {
    std::string name;
    wire::Ipv4Address vip;
    std::vector<PortRange> ports;           // sorted by first, no overlap
    std::size_t network_profile = 0;        // index into Config::network_profiles
    std::size_t pool = 0;                   // index into Config::pools
    IcmpEcho icmp_echo = IcmpEcho::answer;  // the same for all services of a VIP
};

struct Config {
    LoadBalancer load_balancer;
    std::vector<NetworkProfile> network_profiles;
    std::vector<Pool> pools;
    std::vector<VirtualService> virtual_services;
};

}  // namespace dsr::config
