#include "serverprep/kernel/filter_places.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

using netlink::Direction;
using netlink::TrafficFilter;

constexpr std::array kRoles{FilterRole::decapsulate, FilterRole::guard, FilterRole::clamp_mss};
constexpr std::array kDirections{Direction::ingress, Direction::egress};

// libbpf names a filter 'PROGRAM:[ID]'.
bool names_program(std::string_view name, std::string_view program) {
    return name.starts_with(program) && name.substr(program.size()).starts_with(":[") && name.ends_with(']');
}

bool in_place_of(const TrafficFilter& filter, FilterRole role) {
    const FilterMark mark = mark_of(role);
    return filter.priority == kFilterPriority && filter.direction == mark.direction && filter.handle == mark.handle;
}

Result<std::vector<TrafficFilter>> filters_of_both_directions(netlink::Socket& socket, int link_index) {
    std::vector<TrafficFilter> all;
    for (Direction direction : kDirections) {
        auto filters = netlink::traffic_filters(socket, link_index, direction);
        if (!filters) return std::unexpected(filters.error());
        all.insert(all.end(), filters->begin(), filters->end());
    }
    return all;
}

// A link with a qdisc that can have filters, the qdisc's kind, and the filters.
struct FilteredLink {
    netlink::Link link;
    std::string qdisc;
    std::vector<TrafficFilter> filters;
};

Result<std::vector<FilteredLink>> filtered_links(netlink::Socket& socket) {
    auto qdiscs = netlink::filter_qdiscs(socket);
    if (!qdiscs) return std::unexpected(qdiscs.error());
    std::vector<FilteredLink> found;
    if (qdiscs->empty()) return found;
    auto links = netlink::links(socket);
    if (!links) return std::unexpected(links.error());
    for (const netlink::Link& link : *links) {
        const auto qdisc = std::ranges::find(*qdiscs, link.index, &netlink::FilterQdisc::link_index);
        if (qdisc == qdiscs->end()) continue;
        auto filters = filters_of_both_directions(socket, link.index);
        if (!filters) return std::unexpected(filters.error());
        found.push_back({link, qdisc->kind, std::move(*filters)});
    }
    return found;
}

}  // namespace

FilterMark mark_of(FilterRole role) {
    switch (role) {
        case FilterRole::decapsulate:
            return {Direction::ingress, 0x4d01, "dsr_decap"};
        case FilterRole::guard:
            return {Direction::ingress, 0x4d02, "dsr_guard"};
        case FilterRole::clamp_mss:
            return {Direction::egress, 0x4d03, "dsr_clamp_mss"};
    }
    return {};
}

std::optional<FilterRole> role_of(const TrafficFilter& filter) {
    for (FilterRole role : kRoles)
        if (in_place_of(filter, role) && filter.kind == "bpf" && names_program(filter.bpf_name, mark_of(role).program))
            return role;
    return std::nullopt;
}

Result<std::vector<FilterPlace>> filter_places(netlink::Socket& socket) {
    auto links = filtered_links(socket);
    if (!links) return std::unexpected(links.error());
    std::vector<FilterPlace> places;
    for (const FilteredLink& filtered : *links)
        for (const TrafficFilter& filter : filtered.filters)
            if (const auto role = role_of(filter)) places.push_back({*role, filtered.link, filter.bpf_id});
    std::ranges::sort(places, {}, [](const FilterPlace& place) { return std::pair(place.link.index, place.role); });
    return places;
}

Result<std::optional<TrafficFilter>> filter_at(netlink::Socket& socket, FilterRole role, const netlink::Link& link) {
    auto filters = netlink::traffic_filters(socket, link.index, mark_of(role).direction);
    if (!filters) return std::unexpected(filters.error());
    for (const TrafficFilter& filter : *filters) {
        if (role_of(filter) == role) return filter;
        // All filters of one priority are of one kind.
        const bool taken = in_place_of(filter, role) || (filter.priority == kFilterPriority && filter.kind != "bpf");
        if (taken)
            return fail(
                fmt::format("a filter of somebody else is in the place of ours on link '{}': priority {}, handle "
                            "{:#x}, kind '{}'{}",
                            link.name, filter.priority, filter.handle, filter.kind,
                            filter.bpf_name.empty() ? "" : fmt::format(", program '{}'", filter.bpf_name)));
    }
    return std::nullopt;
}

Result<void> uninstall_filter(FilterRole role, const std::string& link) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    auto found = netlink::find_link(*socket, link);
    if (!found) return std::unexpected(found.error());
    if (!*found) return {};  // a filter goes with its link
    auto filters = netlink::traffic_filters(*socket, (*found)->index, mark_of(role).direction);
    if (!filters) return std::unexpected(filters.error());
    for (const TrafficFilter& filter : *filters)
        if (role_of(filter) == role)
            if (auto removed = netlink::remove_traffic_filter(*socket, filter); !removed)
                return fail(
                    fmt::format("{} on link '{}' (the filter '{}')", removed.error().message, link, word_of(role)));
    return {};
}

Result<std::vector<Clsact>> clsact_links(netlink::Socket& socket) {
    auto links = filtered_links(socket);
    if (!links) return std::unexpected(links.error());
    std::vector<Clsact> found;
    for (const FilteredLink& filtered : *links) {
        if (filtered.qdisc != "clsact") continue;
        const auto foreign = std::ranges::count_if(filtered.filters, [](const auto& each) { return !role_of(each); });
        found.push_back({filtered.link.name, static_cast<std::size_t>(foreign)});
    }
    return found;
}

}  // namespace dsr::serverprep
