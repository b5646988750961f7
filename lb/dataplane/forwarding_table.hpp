// Everything a worker needs to decide about a packet, immutable once published: made by lb/state from the
// configuration, the neighbors' MAC addresses and the operator's commands. Workers read it without locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/wire/address.hpp"
#include "lb/dataplane/service_map.hpp"

namespace dsr::lb {

struct Interface {
    wire::MacAddress mac;
    wire::Ipv4Prefix address;
    std::uint32_t mtu = 1500;        // bytes of IP packet
    bool software_offloads = false;  // frames may carry unfinished checksums and be super-frames (pcap, capture files)
};

struct Server {
    wire::Ipv4Address address;
    wire::MacAddress mac;        // meaningful when `resolved`
    std::uint8_t interface = 0;  // index of the interface it is reached by
    bool resolved = false;
    bool keeps_flows = false;      // false: removed or disabled; its flows move to another server at once
    bool takes_new_flows = false;  // false: also while draining
};

struct Service {
    std::shared_ptr<const std::vector<ServerId>> ring;  // Maglev table; empty when no server takes new flows
    std::uint16_t vip_id = 0;                           // of its (VIP, protocol): what the flow table keeps
    std::uint16_t idle_timeout = 0;                     // seconds 1..14400; 0: never
};

struct ForwardingTable {
    bool active = false;  // this balancer has announced the VIPs: it answers ARP for them
    std::vector<Interface> interfaces;
    ServiceMap service_map;
    std::vector<Service> services;  // indexed by ServiceId; ids not in use have no ring
    std::vector<Server> servers;    // indexed by ServerId; ids not in use keep no flows
};

}  // namespace dsr::lb
