// Where this network namespace has filters of ours, told by netlink alone: needs neither privilege nor libbpf, but does
// not know what they hold (bpf_filters.hpp). Also the clsact qdiscs they are on, and whose else those are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/traffic_control.hpp"
#include "serverprep/filter.hpp"

namespace dsr::serverprep {

// A filter is ours when all of these are its own: priority, handle, direction and program.
inline constexpr std::uint16_t kFilterPriority = 77;
struct FilterMark {
    netlink::Direction direction;
    std::uint32_t handle;
    std::string_view program;
};
FilterMark mark_of(FilterRole role);
// Nothing for a filter of somebody else.
std::optional<FilterRole> role_of(const netlink::TrafficFilter& filter);

struct FilterPlace {
    FilterRole role = FilterRole::decapsulate;
    netlink::Link link;
    std::uint32_t program_id = 0;
};

Result<std::vector<FilterPlace>> filter_places(netlink::Socket& socket);  // ordered by link index, then role
// Nothing where the place for this role is free; an error where somebody else's filter has it.
Result<std::optional<netlink::TrafficFilter>> filter_at(netlink::Socket& socket, FilterRole role,
                                                        const netlink::Link& link);

// Takes away our filter of this role, if there is one; the clsact qdisc stays. Needs CAP_NET_ADMIN.
Result<void> uninstall_filter(FilterRole role, const std::string& link);

Result<std::vector<Clsact>> clsact_links(netlink::Socket& socket);

}  // namespace dsr::serverprep
