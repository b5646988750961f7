// What --check asks the kernel beyond what it compares: what would become of packets, who listens, what drops. Judged
// together with the observed settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/sys/netlink/route.hpp"
#include "common/sys/netlink/sockets.hpp"
#include "serverprep/desired.hpp"
#include "serverprep/kernel/kernel.hpp"
#include "serverprep/observed.hpp"

namespace dsr::serverprep {

// The kernel's word on one packet that was never sent.
struct PathLookup {
    wire::Ipv4Address vip;
    wire::Ipv4Address client;
    std::string link;  // arrivals: where it comes in, after decapsulation
    netlink::RouteLookup found;
};

// A packet that a packet filter of this host certainly drops.
struct FilteredPath {
    wire::Ipv4Address vip;
    std::string packet;  // "TCP port 80 arriving on eth0"
    std::string rule;    // as a person reads it, with table and chain
    std::string fix;     // the command
};

struct Evidence {
    std::vector<PathLookup> arrivals;                         // from a client to the VIP
    std::vector<PathLookup> departures;                       // from the VIP to a client
    std::optional<std::vector<netlink::Listener>> listeners;  // nothing: nobody asked
    std::vector<FilteredPath> filtered;
    std::vector<std::string> not_looked_at;  // sentences: what was not judged, and why
};

// Where packets for this VIP appear once they are without an outer header: the interface, or tunnels that are up.
std::vector<std::string> arrival_links(const ServedVip& served, const Inventory& inventory);

// Clients that stand for all: those given, else a neighbour on the interface and, where there is a default route, one
// far away.
std::vector<wire::Ipv4Address> sample_clients(const Request& request, const ServedVip& served,
                                              const Inventory& inventory);

Evidence ask_paths(Kernel& kernel, const Request& request, const Desired& desired, const Observed& observed);

void ask_services(Kernel& kernel, Evidence& evidence);

void ask_packet_filter(Kernel& kernel, const Desired& desired, const Observed& observed, Evidence& evidence);

}  // namespace dsr::serverprep
