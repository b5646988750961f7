// What the user wants of this host: from VIPs given, or from the configuration file, in which a host finds itself by
// its addresses. Looks at links, addresses and routes only to choose the interface; changes nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/wire/address.hpp"
#include "serverprep/observed.hpp"

namespace dsr::serverprep {

// The options of the command line that say what is wanted, checked one by one but not against this host.
struct Request {
    std::vector<wire::Ipv4Address> vips;
    std::optional<config::Config> config;
    std::optional<std::string> interface;
    std::vector<wire::Ipv4Address> load_balancers;
    bool ip_forward = true;  // false: leave it as it is
};

struct Desired {
    std::vector<wire::Ipv4Address> vips;  // without duplicates, in the order given
    std::string interface;                // holds the server's address; its effective settings count
    bool ip_forward = true;
};

// nothing when there is no route
using LinkTowards = std::function<std::optional<int>(wire::Ipv4Address)>;

// Every error is the user's: no such interface, nothing of this host in the file, VIP impossible here.
Result<Desired> resolve(const Request& request, const Inventory& inventory, const LinkTowards& link_towards);

// Why this address can never be a VIP, or nothing.
std::optional<std::string> refusal_of_vip(wire::Ipv4Address vip);

}  // namespace dsr::serverprep
