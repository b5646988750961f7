// Everything a worker needs to decide about a packet, immutable once published: made by lb/state from the
// configuration, the neighbors' MAC addresses and the operator's commands. Workers read it without locks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/wire/address.hpp"
#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/layer3.hpp"
#include "lb/dataplane/service_map.hpp"

namespace dsr::lb {

struct Interface {
    wire::MacAddress mac;
    wire::Ipv4Prefix address;
    std::uint32_t mtu = 1500;        // bytes of IP packet
    bool software_offloads = false;  // frames may carry unfinished checksums and be super-frames (pcap, capture files)
    bool alone = false;              // no kernel answers for `address`, so that we answer its ARP requests and pings
};

inline constexpr std::uint16_t kNoPool = 0xffff;

struct alignas(64) Server {  // a cache line each
    wire::Ipv4Address address;
    FrameAddresses macs;         // from our interface's to its next hop's; that one means something when `resolved`
    std::uint32_t mtu = 1500;    // of that interface
    std::uint8_t interface = 0;  // its index
    bool resolved = false;
    bool on_link = true;           // the next hop is the server itself
    bool takes_new_flows = false;  // false: also while draining
    // A number within this table; kNoPool: removed or disabled, its flows move to another server at once.
    std::uint16_t pool = kNoPool;
    OuterHeader outer;  // from our interface's address to the server, for Layer 3

    [[nodiscard]] bool keeps_flows() const { return pool != kNoPool; }
};

// A pool's Maglev table.
struct Ring {
    std::vector<std::uint16_t> slots;  // each an index into `servers`; empty when no server takes new flows
    std::vector<ServerId> servers;
};

struct Service {
    std::shared_ptr<const Ring> ring;  // its pool's
    std::uint16_t vip_id = 0;          // of its (VIP, protocol): what the flow table keeps
    std::uint16_t idle_timeout = 0;    // seconds 1..14400; 0: never
    std::uint16_t pool = 0;            // its servers' Server::pool
    bool layer3 = false;               // IP-in-IP; false: Layer 2
    bool per_packet = false;           // every datagram is hashed anew (UDP only)
    wire::Ipv4Prefix outer_source{
        {}, 0};  // Layer 3: sources are spread over this prefix; length 0: the interface's address
};

struct ForwardingTable {
    bool active = false;                     // this balancer has announced the VIPs: it answers ARP for them
    std::uint32_t new_flows_per_second = 0;  // what a worker enters into its flow table; 0: no limit
    bool software_offloads = false;          // one of the interfaces has them
    std::vector<Interface> interfaces;
    ServiceMap service_map;
    std::vector<Service> services;  // indexed by ServiceId; ids not in use have no ring
    std::vector<Server> servers;    // indexed by ServerId; ids not in use keep no flows
};

}  // namespace dsr::lb
