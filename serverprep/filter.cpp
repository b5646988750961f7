#include "serverprep/filter.hpp"

#include <algorithm>

namespace dsr::serverprep {

std::string_view word_of(FilterRole role) {
    switch (role) {
        case FilterRole::decapsulate:
            return "decapsulate";
        case FilterRole::guard:
            return "guard";
        case FilterRole::clamp_mss:
            return "clamp_mss";
    }
    return {};
}

bool covers(const std::set<wire::Ipv4Prefix>& present, const std::set<wire::Ipv4Prefix>& wanted) {
    if (present.empty()) return true;
    return !wanted.empty() && std::ranges::all_of(wanted, [&](const wire::Ipv4Prefix& one) {
        return std::ranges::any_of(present, [&](const wire::Ipv4Prefix& other) {
            return other.length <= one.length && other.contains(one.address);
        });
    });
}

}  // namespace dsr::serverprep
