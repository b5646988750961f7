#include "serverprep/kernel/bpf_filters.hpp"

#include <algorithm>
#include <array>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "serverprep/bpf/filter_abi.h"
#include "serverprep/kernel/bpf_object.hpp"
#include "serverprep/kernel/bpf_program_maps.hpp"
#include "serverprep/kernel/filter_check.hpp"
#include "serverprep/kernel/libbpf_words.hpp"
#include "serverprep/kernel/link_header.hpp"

namespace dsr::serverprep {
namespace {

constexpr int kReadAttempts = 5;

struct CounterName {
    FilterRole role;
    dsr_filter_counter index;
    const char* name;
};
constexpr std::array kCounterNames{
    CounterName{FilterRole::decapsulate, DSR_DECAPSULATED, "decapsulated"},
    CounterName{FilterRole::decapsulate, DSR_OUTER_FRAGMENTS, "outer_fragments"},
    CounterName{FilterRole::decapsulate, DSR_FOREIGN_SOURCE, "foreign_source"},
    CounterName{FilterRole::decapsulate, DSR_NOT_A_VIP, "not_a_vip"},
    CounterName{FilterRole::decapsulate, DSR_MALFORMED, "malformed"},
    CounterName{FilterRole::decapsulate, DSR_CONGESTION_DROPPED, "congestion_dropped"},
    CounterName{FilterRole::decapsulate, DSR_REFUSED, "refused"},
    CounterName{FilterRole::guard, DSR_PASSED, "passed"},
    CounterName{FilterRole::guard, DSR_DROPPED, "dropped"},
    CounterName{FilterRole::clamp_mss, DSR_SEEN, "seen"},
    CounterName{FilterRole::clamp_mss, DSR_CLAMPED, "clamped"},
};
static_assert(kCounterNames.size() == DSR_FILTER_COUNTERS);

Result<Filter> read_filter(const FilterPlace& place, const BpfProgramMaps& maps) {
    Filter filter;
    filter.role = place.role;
    filter.link = place.link.name;
    const auto settings = maps.settings();
    if (!settings) return std::unexpected(settings.error());
    if (!*settings) return filter;
    auto vips = maps.addresses("vips");
    auto addresses = maps.addresses("addresses");
    auto sources = maps.prefixes("sources");
    if (!vips) return std::unexpected(vips.error());
    if (!addresses) return std::unexpected(addresses.error());
    if (!sources) return std::unexpected(sources.error());
    filter.vips = std::move(*vips);
    filter.addresses = std::move(*addresses);
    filter.sources = std::move(*sources);
    filter.mss = static_cast<std::uint16_t>((*settings)->mss);
    return filter;
}

Result<std::optional<FilterCounters>> read_counters(const FilterPlace& place, const BpfProgramMaps& maps) {
    const auto settings = maps.settings();
    if (!settings) return std::unexpected(settings.error());
    if (!*settings) return std::nullopt;
    const auto values = maps.counters();
    if (!values) return std::unexpected(values.error());
    FilterCounters counters{place.role, place.link.name, {}};
    for (const CounterName& each : kCounterNames)
        if (each.role == place.role) counters.values.emplace(each.name, values->at(each.index));
    return counters;
}

struct OpenedPlace {
    FilterPlace place;
    BpfProgramMaps maps;
};

// All of ours with their maps; starts over when one was replaced between seeing and opening it.
Result<std::vector<OpenedPlace>> open_all() {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
        auto places = filter_places(*socket);
        if (!places) return std::unexpected(places.error());
        std::vector<OpenedPlace> opened;
        for (const FilterPlace& place : *places) {
            auto maps = BpfProgramMaps::open(place.program_id);
            if (!maps)
                return fail(fmt::format("cannot read the filter '{}' on link '{}': {}", word_of(place.role),
                                        place.link.name, maps.error().message));
            if (*maps) opened.push_back({place, std::move(**maps)});
        }
        if (opened.size() == places->size()) return opened;
    }
    return fail(fmt::format("cannot read the filters: they kept changing in {} attempts", kReadAttempts));
}

Result<void> attach(const Filter& filter, const netlink::Link& link, int program, bool replace) {
    const LibbpfWords words;
    const FilterMark mark = mark_of(filter.role);
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = link.index;
    hook.attach_point = mark.direction == netlink::Direction::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.prog_fd = program;
    options.flags = replace ? BPF_TC_F_REPLACE : 0;
    options.handle = mark.handle;
    options.priority = kFilterPriority;
    if (int error = bpf_tc_attach(&hook, &options); error != 0) return fail(words.why(error));
    return {};
}

bool can_hold(const netlink::FilterQdisc& qdisc, netlink::Direction direction) {
    return qdisc.kind == "clsact" || direction == netlink::Direction::ingress;
}

Result<netlink::Link> link_with_qdisc(netlink::Socket& socket, const Filter& filter) {
    auto link = netlink::find_link(socket, filter.link);
    if (!link) return std::unexpected(link.error());
    if (!*link) return fail("there is no such link");
    auto qdiscs = netlink::filter_qdiscs(socket);
    if (!qdiscs) return std::unexpected(qdiscs.error());
    const auto at = std::ranges::find(*qdiscs, (*link)->index, &netlink::FilterQdisc::link_index);
    if (at == qdiscs->end() || !can_hold(*at, mark_of(filter.role).direction)) return fail("it has no clsact qdisc");
    return **link;
}

Result<void> install(const Filter& filter) {
    if (auto checked = check_filter(filter); !checked) return checked;
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    auto link = link_with_qdisc(*socket, filter);
    if (!link) return std::unexpected(link.error());
    const auto link_header = link_header_size(filter.link);
    if (!link_header) return std::unexpected(link_header.error());
    auto occupant = filter_at(*socket, filter.role, *link);
    if (!occupant) return std::unexpected(occupant.error());

    // Keeps the counters' map open until the new program has it.
    std::optional<BpfProgramMaps> old;
    if (*occupant) {
        auto maps = BpfProgramMaps::open((*occupant)->bpf_id);
        if (!maps) return std::unexpected(maps.error());
        old = std::move(*maps);
    }
    // The counters of another version may count other things.
    const bool go_on_counting =
        old && old->counters().has_value() && old->settings().value_or(std::nullopt).has_value();
    auto object = BpfObject::load(filter, *link_header, go_on_counting ? old->counters_descriptor() : -1);
    if (!object) return std::unexpected(object.error());
    return attach(filter, *link, object->program(), occupant->has_value());
}

}  // namespace

bool bpf_in_this_build() {
    return true;
}

Result<std::vector<Filter>> installed_filters() {
    auto opened = open_all();
    if (!opened) return std::unexpected(opened.error());
    std::vector<Filter> filters;
    for (const OpenedPlace& each : *opened) {
        auto filter = read_filter(each.place, each.maps);
        if (!filter) return std::unexpected(filter.error());
        filters.push_back(std::move(*filter));
    }
    return filters;
}

Result<void> install_filter(const Filter& filter) {
    if (auto installed = install(filter); !installed)
        return fail(fmt::format("cannot install the filter '{}' on link '{}': {}", word_of(filter.role), filter.link,
                                installed.error().message));
    return {};
}

Result<std::vector<FilterCounters>> filter_counters() {
    auto opened = open_all();
    if (!opened) return std::unexpected(opened.error());
    std::vector<FilterCounters> all;
    for (const OpenedPlace& each : *opened) {
        auto counters = read_counters(each.place, each.maps);
        if (!counters) return std::unexpected(counters.error());
        if (*counters) all.push_back(std::move(**counters));
    }
    return all;
}

}  // namespace dsr::serverprep
