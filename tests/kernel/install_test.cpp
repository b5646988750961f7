// Filters in the kernel: put there, read back, replaced, taken away.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "network.hpp"
#include "serverprep/kernel/bpf_filters.hpp"

namespace dsr::test {
namespace {

using serverprep::Filter;
using serverprep::FilterRole;
using serverprep::install_filter;
using serverprep::installed_filters;

Filter decapsulation(const char* link = "s0") {
    Filter filter;
    filter.link = link;
    filter.vips = {address("10.9.9.9")};
    filter.addresses = {address("10.9.0.2"), address("10.9.0.3")};
    filter.sources = {{address("0.0.0.0"), 0}, {address("10.9.0.0"), 24}, {address("10.9.0.1"), 32}};
    return filter;
}

Filter guard(const char* link = "s0") {
    Filter filter;
    filter.role = FilterRole::guard;
    filter.link = link;
    filter.vips = {address("10.9.9.9"), address("255.255.255.255"), address("0.0.0.0")};
    return filter;
}

Filter clamp(const char* link = "s0") {
    Filter filter;
    filter.role = FilterRole::clamp_mss;
    filter.link = link;
    filter.vips = {address("10.9.9.9")};
    filter.mss = 1440;
    return filter;
}

void install(const Filter& filter) {
    const auto done = install_filter(filter);
    INFO((done ? std::string() : done.error().message));
    REQUIRE(done);
}

std::vector<Filter> installed() {
    const auto filters = installed_filters();
    INFO((filters ? std::string() : filters.error().message));
    REQUIRE(filters);
    return *filters;
}

std::string refusal(const Filter& filter) {
    const auto done = install_filter(filter);
    REQUIRE(!done);
    return done.error().message;
}

// Everything this process writes to stderr meanwhile.
class Stderr {
public:
    Stderr() : before_(::dup(2)) {
        REQUIRE(::pipe(ends_) == 0);
        ::dup2(ends_[1], 2);
        ::close(ends_[1]);
    }
    std::string end() {
        ::dup2(before_.get(), 2);
        std::string all(65536, '\0');
        const ssize_t size = ::read(ends_[0], all.data(), all.size());
        ::close(ends_[0]);
        all.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return all;
    }

private:
    sys::UniqueFd before_;
    int ends_[2]{};
};

// With these capabilities and no others. In a thread of its own, since capabilities are a thread's.
void with_only(std::initializer_list<unsigned> capabilities, const std::function<void()>& what) {
    std::thread([&] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        __user_cap_data_struct data[2]{};
        for (unsigned capability : capabilities) {
            data[CAP_TO_INDEX(capability)].effective |= CAP_TO_MASK(capability);
            data[CAP_TO_INDEX(capability)].permitted |= CAP_TO_MASK(capability);
        }
        if (::syscall(SYS_capset, &header, data) == 0) what();
    }).join();
}

}  // namespace

TEST_CASE("filters: what is installed is read back, equal in every value") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    CHECK(installed().empty());
    install(decapsulation());
    CHECK(installed() == std::vector{decapsulation()});
    install(clamp());
    install(guard());
    CHECK(installed() == std::vector{decapsulation(), guard(), clamp()});
    Filter anybody = decapsulation();
    anybody.sources = {};
    install(anybody);
    CHECK(installed() == std::vector{anybody, guard(), clamp()});
    run("tc qdisc add dev lo clsact");
    install(guard("lo"));
    CHECK(installed() == std::vector{guard("lo"), anybody, guard(), clamp()});
}

TEST_CASE("filters: those of another network namespace are not seen") {
    const Pair pair;
    {
        const Namespace::Inside inside(pair.server);
        install(decapsulation());
    }
    const Namespace::Inside inside(pair.client);
    CHECK(installed().empty());
}

TEST_CASE("filters: the one of a role and link is replaced by the next, and the others stay") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    install(decapsulation());
    install(clamp());
    Filter other = decapsulation();
    other.vips = {address("192.0.2.1"), address("192.0.2.2")};
    other.sources = {{address("192.0.2.0"), 24}};
    install(other);
    CHECK(installed() == std::vector{other, clamp()});
    Filter lower = clamp();
    lower.mss = 1200;
    install(lower);
    CHECK(installed() == std::vector{other, lower});
}

TEST_CASE("filters: a removed one is gone, the others and the clsact stay, and removing again succeeds") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    install(decapsulation());
    install(guard());
    for (int times = 0; times < 2; ++times) {
        REQUIRE(serverprep::uninstall_filter(FilterRole::decapsulate, "s0"));
        CHECK(installed() == std::vector{guard()});
    }
    REQUIRE(serverprep::uninstall_filter(FilterRole::guard, "s0"));
    CHECK(installed().empty());
    CHECK(output("tc qdisc show dev s0").find("clsact") != std::string::npos);
    CHECK(serverprep::uninstall_filter(FilterRole::guard, "no-such-link"));
}

TEST_CASE("filters: a thousand VIPs go in and come back") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    Filter many = decapsulation();
    for (std::uint32_t i = 0; i < 1000; ++i)
        many.vips.insert(wire::Ipv4Address::from_host(0xcb007100U + i));
    install(many);
    CHECK(installed() == std::vector{many});
}

TEST_CASE("filters: what makes no sense is refused, and says why") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    const std::string what = "cannot install the filter 'clamp_mss' on link 's0': ";
    Filter filter = clamp();
    filter.vips = {};
    CHECK(refusal(filter) == what + "it needs at least one VIP");
    filter = clamp("absent");
    CHECK(refusal(filter) == "cannot install the filter 'clamp_mss' on link 'absent': there is no such link");
    run("tc qdisc del dev s0 clsact");
    CHECK(refusal(clamp()) == what + "it has no clsact qdisc");
    run("tc qdisc add dev s0 ingress");
    CHECK(refusal(clamp()) == what + "it has no clsact qdisc");  // 'ingress' is half of one
    install(decapsulation());
    CHECK(installed() == std::vector{decapsulation()});
}

TEST_CASE("filters: without privileges they are seen, and what they hold is an error that names the privilege") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    std::string none_there, read, replaced, added, chatter;
    std::size_t places = 0;
    with_only({}, [&] { none_there = installed_filters() ? "nothing" : "error"; });
    install(decapsulation());
    Stderr caught;
    with_only({}, [&] {
        auto socket = netlink::Socket::open();
        places = serverprep::filter_places(*socket)->size();
        read = installed_filters().error().message;
        replaced = install_filter(decapsulation()).error().message;
        added = install_filter(clamp()).error().message;
    });
    chatter = caught.end();
    CHECK(none_there == "nothing");
    CHECK(places == 1);
    CHECK(read.starts_with("cannot read the filter 'decapsulate' on link 's0': needs CAP_BPF and CAP_NET_ADMIN"));
    CHECK(replaced.find("needs CAP_BPF and CAP_NET_ADMIN") != std::string::npos);
    CHECK(added.find("needs CAP_BPF and CAP_NET_ADMIN") != std::string::npos);
    CHECK(chatter.empty());
}

TEST_CASE("filters: CAP_BPF and CAP_NET_ADMIN suffice to install one where there is none, not to read it") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    std::string read, refused;
    with_only({CAP_BPF, CAP_NET_ADMIN}, [&] {
        for (const Filter& filter : {decapsulation(), guard(), clamp()})
            if (const auto done = install_filter(filter); !done) refused += done.error().message;
        read = installed_filters().error().message;
    });
    CHECK(refused == "");
    CHECK(read.find("CAP_SYS_ADMIN") != std::string::npos);
    CHECK(installed() == std::vector{decapsulation(), guard(), clamp()});
}

TEST_CASE("filters: one of 200 VIPs is installed in a moment") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    Filter many = decapsulation();
    for (std::uint32_t i = 0; i < 199; ++i)
        many.vips.insert(wire::Ipv4Address::from_host(0xcb007100U + i));
    const auto begin = std::chrono::steady_clock::now();
    install(many);
    const auto took = std::chrono::steady_clock::now() - begin;
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    INFO(milliseconds << " ms");
    CHECK(milliseconds < 500);  // 2 when the machine does nothing else
}

}  // namespace dsr::test
