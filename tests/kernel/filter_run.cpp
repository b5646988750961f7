#include "filter_run.hpp"

#include <catch2/catch.hpp>
#include <utility>

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serverprep/kernel/bpf_filters.hpp"

namespace dsr::test {
namespace {

int bpf(int command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

}  // namespace

FilterRun::FilterRun(serverprep::Filter filter) {
    const Namespace::Inside inside(space_);
    test::run("ip link add f0 type veth peer name f1 && tc qdisc add dev f0 clsact");
    filter.link = "f0";
    const auto installed = serverprep::install_filter(filter);
    INFO((installed ? std::string() : installed.error().message));
    REQUIRE(installed);
    auto socket = netlink::Socket::open();
    const auto places = serverprep::filter_places(*socket);
    REQUIRE(places->size() == 1);
    bpf_attr attributes{};
    attributes.prog_id = places->front().program_id;
    program_ = sys::UniqueFd(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
    REQUIRE(program_.valid());
    counted_ = counters();
}

FilterRun::Counters FilterRun::counters() {
    const auto all = serverprep::filter_counters();
    REQUIRE(all);
    REQUIRE(all->size() == 1);
    return all->front().values;
}

Ran FilterRun::run(wire::Bytes frame) {
    const Namespace::Inside inside(space_);
    Ran ran{};
    ran.frame.resize(frame.size() + 64);
    bpf_attr attributes{};
    attributes.test.prog_fd = static_cast<std::uint32_t>(program_.get());
    attributes.test.data_in = reinterpret_cast<std::uintptr_t>(frame.data());
    attributes.test.data_size_in = static_cast<std::uint32_t>(frame.size());
    attributes.test.data_out = reinterpret_cast<std::uintptr_t>(ran.frame.data());
    attributes.test.data_size_out = static_cast<std::uint32_t>(ran.frame.size());
    REQUIRE(bpf(BPF_PROG_TEST_RUN, attributes) == 0);
    ran.verdict = static_cast<int>(attributes.test.retval);
    ran.frame.resize(attributes.test.data_size_out);
    const Counters before = std::exchange(counted_, counters());
    for (const auto& [name, value] : counted_) {
        if (value == before.at(name)) continue;
        REQUIRE(value == before.at(name) + 1);
        ran.counted += (ran.counted.empty() ? "" : "+") + name;
    }
    return ran;
}

}  // namespace dsr::test
