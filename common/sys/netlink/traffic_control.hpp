// Traffic control as far as a packet filter at a link needs it: which links have a clsact qdisc, and the filters on it.
// Knows nothing of queueing disciplines proper, nor of what a filter does; BPF programs are told by name and id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"

namespace dsr::netlink {

enum class Direction : std::uint8_t { ingress, egress };

// A qdisc on which filters see packets whole before and after everything else: "clsact", or its predecessor "ingress",
// which has the one direction only. A link has one of them at most.
struct FilterQdisc {
    int link_index = 0;
    std::string kind;
};

Result<std::vector<FilterQdisc>> filter_qdiscs(Socket& socket);

struct TrafficFilter {
    int link_index = 0;
    Direction direction = Direction::ingress;
    std::uint16_t priority = 0;  // lower ones run first
    std::uint32_t handle = 0;
    std::string kind;  // "bpf", "u32", …
    // Kind "bpf" only.
    std::string bpf_name;  // as whoever attached it chose: libbpf writes 'PROGRAM:[ID]'
    std::uint32_t bpf_id = 0;
};

// In the order in which they run. Needs no privilege. Nothing on a link that has no such qdisc.
Result<std::vector<TrafficFilter>> traffic_filters(Socket& socket, int link_index, Direction direction);

// These need CAP_NET_ADMIN. add_clsact() succeeds if it is there. remove_clsact() takes all filters on it away,
// whosever they are, and succeeds if there is none.
Result<void> add_clsact(Socket& socket, int link_index);
Result<void> remove_clsact(Socket& socket, int link_index);
// A filter that is gone already is an error.
Result<void> remove_traffic_filter(Socket& socket, const TrafficFilter& filter);

}  // namespace dsr::netlink
