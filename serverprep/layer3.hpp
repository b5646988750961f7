// What Layer 3 DSR takes on this host beyond Layer 2: tunnel devices, and filters on links. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serverprep/observed.hpp"
#include "serverprep/served_vip.hpp"

namespace dsr::serverprep {

// A tunnel device for one load balancer, made already or not.
struct WantedTunnel {
    netlink::Tunnel tunnel;
    bool exists = false;
    bool has_address = false;  // any IPv4 address
    // What it is given if it has none: this host's own, of scope host, so that no traffic takes it as its source.
    std::optional<wire::Ipv4Address> address;
};

// In the order of the load balancers' addresses. Names are dsr-ipip0, dsr-ipip1, …: the lowest that are free.
std::vector<WantedTunnel> wanted_tunnels(const std::vector<ServedVip>& served, const Inventory& inventory);

// All filters that these VIPs take, in no particular order. None for links that do not exist.
std::vector<Filter> wanted_filters(const std::vector<ServedVip>& served, const Inventory& inventory,
                                   const std::vector<WantedTunnel>& tunnels);

// The links by which replies may leave: that of the server's address, and those of default routes.
std::set<std::string> reply_links(const ServedVip& served, const Inventory& inventory);

// The MSS that leaves room for the outer header, 20 bytes, and for 40 bytes of headers, by the MTU of the interface or
// of the load balancer's, whichever is less. At MTU 1500: 1440.
std::uint16_t mss_limit(const ServedVip& served, const Inventory& inventory);

// A tunnel device with such a name is one that we made.
bool is_our_name(const std::string& tunnel);

// What a tunnel that this VIP needs is for.
bool serves(const netlink::Tunnel& tunnel, const ServedVip& served);

}  // namespace dsr::serverprep
