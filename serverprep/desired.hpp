// What the user wants of this host: from VIPs given, or from the configuration file, in which a host finds itself by
// its addresses. Looks at links, addresses and routes only to choose the interface; changes nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/wire/address.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/served_vip.hpp"

namespace dsr::serverprep {

// Ports of one protocol on which a VIP is served, both ends included.
struct ServicePorts {
    std::uint8_t protocol = 6;  // 6 TCP, 17 UDP
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    friend auto operator<=>(const ServicePorts&, const ServicePorts&) = default;
};

// The options of the command line that say what is wanted, checked one by one but not against this host.
struct Request {
    std::vector<wire::Ipv4Address> vips;
    std::map<wire::Ipv4Address, std::set<ServicePorts>> ports;  // of the VIPs, as far as they are known
    std::optional<config::Config> config;
    std::optional<config::DsrType> dsr_type;  // of `vips`; nothing: as on record, or Layer 2
    std::optional<DecapKind> decap;           // nothing: what this host has
    std::optional<std::string> interface;
    std::set<wire::Ipv4Prefix> load_balancers;
    std::vector<wire::Ipv4Address> clients;  // whose packets the kernel is asked about
    bool ip_forward = true;                  // false: leave it as it is
    // What an earlier run was told of VIPs: who leaves an option out now does not take it back. Least of all may that
    // open a tunnel to anybody.
    std::map<wire::Ipv4Address, ServedVip> on_record;
};

struct Desired {
    std::vector<ServedVip>
        vips;  // without duplicates, in the order given; empty: the configuration has none for this host
    std::map<wire::Ipv4Address, std::set<ServicePorts>> ports;
    std::set<wire::Ipv4Prefix> load_balancers;  // as far as they are known
    bool in_file = false;                       // some pool of the configuration has an address of this host
    std::set<wire::Ipv4Address> of_file;        // every VIP of the configuration, whoever serves it

    [[nodiscard]] const ServedVip* find(wire::Ipv4Address vip) const;
    [[nodiscard]] std::set<std::string> interfaces() const;
    [[nodiscard]] bool ip_forward() const;  // somebody wants it
    [[nodiscard]] bool tunnelled() const;   // any of them
};

// nothing when there is no route
using LinkTowards = std::function<std::optional<int>(wire::Ipv4Address)>;

// Every error is the user's: no such interface, nothing of this host in the file, VIP impossible here.
Result<Desired> resolve(const Request& request, const Inventory& inventory, const LinkTowards& link_towards);

}  // namespace dsr::serverprep
