// In place of the filters where serverprep is built without libbpf or clang.
#include <fmt/format.h>

#include "serverprep/kernel/bpf_filters.hpp"

namespace dsr::serverprep {
namespace {

constexpr std::string_view kNoBpf = "this build of serverprep has no BPF (it was made without libbpf or clang)";

// What a serverprep with BPF left here is not hidden.
Result<void> none_here() {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    auto places = filter_places(*socket);
    if (!places) return std::unexpected(places.error());
    if (places->empty()) return {};
    return fail(fmt::format("cannot read the filter '{}' on link '{}': {}", word_of(places->front().role),
                            places->front().link.name, kNoBpf));
}

}  // namespace

bool bpf_in_this_build() {
    return false;
}

Result<std::vector<Filter>> installed_filters() {
    if (auto none = none_here(); !none) return std::unexpected(none.error());
    return std::vector<Filter>{};
}

Result<void> install_filter(const Filter& filter) {
    return fail(
        fmt::format("cannot install the filter '{}' on link '{}': {}", word_of(filter.role), filter.link, kNoBpf));
}

Result<std::vector<FilterCounters>> filter_counters() {
    if (auto none = none_here(); !none) return std::unexpected(none.error());
    return std::vector<FilterCounters>{};
}

}  // namespace dsr::serverprep
