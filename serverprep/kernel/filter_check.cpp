#include "serverprep/kernel/filter_check.hpp"

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

constexpr std::uint16_t kSmallestMss = 88;  // below, the kernel of the other side does not go anyway
constexpr std::uint16_t kLargestMss = 65495;

}  // namespace

Result<void> check_filter(const Filter& filter) {
    const bool decapsulates = filter.role == FilterRole::decapsulate;
    if (filter.link.empty()) return fail("the link has no name");
    if (filter.vips.empty()) return fail("it needs at least one VIP");
    if (decapsulates && filter.addresses.empty()) return fail("it needs at least one address of this host");
    if (!decapsulates && !(filter.addresses.empty() && filter.sources.empty()))
        return fail("only decapsulation has addresses and sources");
    if (filter.role != FilterRole::clamp_mss && filter.mss != 0) return fail("only clamping has an MSS");
    if (filter.role == FilterRole::clamp_mss && (filter.mss < kSmallestMss || filter.mss > kLargestMss))
        return fail(fmt::format("MSS {} is not in {}..{}", filter.mss, kSmallestMss, kLargestMss));
    for (const wire::Ipv4Prefix& source : filter.sources)
        if (source.length > 32 || source.network() != source.address)
            return fail(fmt::format("source '{}' has host bits", wire::to_string(source)));
    return {};
}

}  // namespace dsr::serverprep
