// What serverprep asks of the kernel and tells it: the one seam between its decisions and the machine. Unit tests put a
// kernel of their own here.
#pragma once

#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"
#include "common/sys/netlink/sockets.hpp"
#include "common/sys/netlink/tunnel.hpp"
#include "serverprep/filter.hpp"
#include "serverprep/kernel/packet_filter.hpp"
#include "serverprep/setting.hpp"

namespace dsr::serverprep {

class Kernel {
public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    virtual ~Kernel() = default;

    virtual Result<std::vector<netlink::Link>> links() = 0;
    virtual Result<std::vector<netlink::Address>> addresses() = 0;
    virtual Result<std::vector<netlink::Route>> routes() = 0;
    virtual Result<std::vector<netlink::Tunnel>> tunnels() = 0;
    virtual bool has_ipip() = 0;                                 // a device of kind ipip can be made
    virtual bool has_bpf() = 0;                                  // filters are in this build
    virtual Result<std::vector<Filter>> filters() = 0;           // ours; needs privilege
    virtual Result<std::vector<FilterCounters>> counters() = 0;  // of our filters; needs privilege
    virtual Result<std::vector<Clsact>> clsacts() = 0;
    virtual Result<std::vector<netlink::Listener>> listeners() = 0;
    virtual PacketFilterText packet_filter() = 0;
    virtual netlink::RouteLookup lookup(const netlink::RouteQuery& query) = 0;
    virtual Result<std::uint32_t> read(const Setting& setting) = 0;

    virtual Result<void> write(const Setting& setting, std::uint32_t value) = 0;
    // The link is found by its name: it may have been made a moment ago.
    virtual Result<void> add(const std::string& link, const netlink::Address& address) = 0;
    virtual Result<void> remove(const std::string& link, const netlink::Address& address) = 0;
    virtual Result<void> add(const netlink::Tunnel& tunnel) = 0;
    virtual Result<void> remove(const netlink::Tunnel& tunnel) = 0;
    virtual Result<void> add_clsact(const std::string& link) = 0;
    virtual Result<void> remove_clsact(const std::string& link) = 0;
    // Takes the place of our filter with the same role on the same link, if there is one.
    virtual Result<void> install(const Filter& filter) = 0;
    virtual Result<void> uninstall(const Filter& filter) = 0;
};

}  // namespace dsr::serverprep
