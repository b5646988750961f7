#include <catch2/catch.hpp>

#include "serverprep/kernel/filter_check.hpp"
#include "serverprep/kernel/filter_places.hpp"

namespace dsr::serverprep {
namespace {

const wire::Ipv4Address kVip = wire::Ipv4Address::from_host(0x0a090909);
const wire::Ipv4Address kOwn = wire::Ipv4Address::from_host(0x0a090002);

Filter decapsulation() {
    Filter filter;
    filter.link = "eth0";
    filter.vips = {kVip};
    filter.addresses = {kOwn};
    return filter;
}

Filter of_role(FilterRole role, std::uint16_t mss = 0) {
    Filter filter;
    filter.role = role;
    filter.link = "eth0";
    filter.vips = {kVip};
    filter.mss = mss;
    return filter;
}

std::string refusal(const Filter& filter) {
    const auto checked = check_filter(filter);
    return checked ? "" : checked.error().message;
}

netlink::TrafficFilter listed(FilterRole role, const std::string& name) {
    const FilterMark mark = mark_of(role);
    netlink::TrafficFilter filter;
    filter.direction = mark.direction;
    filter.priority = kFilterPriority;
    filter.handle = mark.handle;
    filter.kind = "bpf";
    filter.bpf_name = name;
    return filter;
}

}  // namespace

TEST_CASE("a filter needs what its role needs, and has nothing else") {
    CHECK(refusal(decapsulation()).empty());
    CHECK(refusal(of_role(FilterRole::guard)).empty());
    for (std::uint16_t mss : std::initializer_list<std::uint16_t>{88, 1440, 65495})
        CHECK(refusal(of_role(FilterRole::clamp_mss, mss)).empty());

    for (std::uint16_t mss : std::initializer_list<std::uint16_t>{0, 87, 65496})
        CHECK(refusal(of_role(FilterRole::clamp_mss, mss)).ends_with("is not in 88..65495"));
    CHECK(refusal(of_role(FilterRole::guard, 1440)) == "only clamping has an MSS");
    CHECK(refusal(of_role(FilterRole::decapsulate)) == "it needs at least one address of this host");
    Filter filter = decapsulation();
    filter.role = FilterRole::guard;
    CHECK(refusal(filter) == "only decapsulation has addresses and sources");
    filter = decapsulation();
    filter.vips = {};
    CHECK(refusal(filter) == "it needs at least one VIP");
    filter = decapsulation();
    filter.link = "";
    CHECK(refusal(filter) == "the link has no name");
}

TEST_CASE("a filter's sources have no host bits, of which the kernel would make two prefixes one") {
    Filter filter = decapsulation();
    filter.sources = {{wire::Ipv4Address::from_host(0x0a000000), 8}, {kOwn, 32}};
    CHECK(refusal(filter).empty());
    filter.sources = {{kOwn, 24}};
    CHECK(refusal(filter) == "source '10.9.0.2/24' has host bits");
}

TEST_CASE("a filter is ours by priority, handle, direction and program together") {
    for (FilterRole role : {FilterRole::decapsulate, FilterRole::guard, FilterRole::clamp_mss}) {
        const std::string name = std::string(mark_of(role).program) + ":[12]";
        const netlink::TrafficFilter ours = listed(role, name);
        CHECK(role_of(ours) == role);
        netlink::TrafficFilter other = ours;
        other.priority = 1;
        CHECK(!role_of(other));
        other = ours;
        other.handle = 1;
        CHECK(!role_of(other));
        other = ours;
        other.direction =
            ours.direction == netlink::Direction::ingress ? netlink::Direction::egress : netlink::Direction::ingress;
        CHECK(!role_of(other));
        other = ours;
        other.kind = "u32";
        CHECK(!role_of(other));
        for (const char* foreign : {"cil_from_netdev:[12]", "dsr_decapper:[12]", "dsr_", ""})
            CHECK(!role_of(listed(role, foreign)));
    }
}

}  // namespace dsr::serverprep
