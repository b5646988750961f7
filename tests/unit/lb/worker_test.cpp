#include "lb/dataplane/worker.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <functional>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

// Gives out bursts that a test has put in, on a clock that the test sets, and keeps what is transmitted.
class FakeDriver final : public Driver {
public:
    struct Sent {
        std::vector<std::uint8_t> bytes;
        std::uint32_t number = 0;
        std::uint8_t egress = 0;
    };

    std::size_t receive(std::span<Packet, kBurstSize> burst) override {
        if (bursts.empty()) return 0;
        current_ = std::move(bursts.front());
        bursts.pop_front();
        for (std::size_t i = 0; i < current_.size(); ++i) {
            burst[i] = current_[i]->packet();
            burst[i].number = ++received;
        }
        return current_.size();
    }
    void transmit(std::span<Packet> burst) override {
        for (Packet& packet : burst) {
            if (packet.number != 0) seen.push_back(packet);
            if (!packet.leaves()) continue;
            if (refuse)
                packet.drop(Drop::transmit_failed);
            else
                sent.push_back({{packet.data, packet.data + packet.length}, packet.number, packet.egress});
        }
    }
    std::uint64_t now() override { return clock; }
    void wait(std::chrono::milliseconds) override {
        if (when_idle) when_idle();
    }
    void wake() override { ++woken; }

    void put(std::vector<std::unique_ptr<Frame>> burst) { bursts.push_back(std::move(burst)); }
    template <typename... Frames>
    void put_burst(Frames... frames) {
        std::vector<std::unique_ptr<Frame>> burst;
        (burst.push_back(std::move(frames)), ...);
        put(std::move(burst));
    }
    std::vector<std::uint32_t> sent_numbers() const {
        std::vector<std::uint32_t> numbers;
        for (const Sent& one : sent)
            numbers.push_back(one.number);
        return numbers;
    }

    std::deque<std::vector<std::unique_ptr<Frame>>> bursts;
    std::uint64_t clock = 1000;
    std::uint32_t received = 0;
    std::vector<Sent> sent;
    std::vector<Packet> seen;  // as they were handed to transmit(); their bytes are gone
    bool refuse = false;
    int woken = 0;
    std::function<void()> when_idle;

private:
    std::vector<std::unique_ptr<Frame>> current_;
};

std::uint64_t ended(const Counters& counters) {
    std::uint64_t total = 0;
    for (const auto& verdict : counters.verdicts)
        total += verdict.get();
    for (const auto& reason : counters.dropped)
        total += reason.get();
    return total;
}
std::uint64_t dropped(const Worker& worker, Drop reason) {
    return worker.counters().dropped[static_cast<std::size_t>(reason)].get();
}

// Fragments of a datagram of `size` bytes of UDP payload.
std::vector<std::unique_ptr<Frame>> datagram(std::uint16_t id, std::size_t size = 2900) {
    auto whole = udp_frame(id, size);
    clear_dont_fragment(*whole);
    return fragments_of(*whole, 1000, id);
}

struct Bench {
    Core core;
    FakeDriver driver;
    Worker worker{driver, 1024, core.table.get()};
};

}  // namespace

TEST_CASE("a burst is received, forwarded, sent in order and counted") {
    Bench bench;
    bench.driver.put_burst(tcp_frame(1), tcp_frame(2, wire::kTcpSyn, 0, 81), udp_frame(3),
                           udp_frame(4, 4, 53, ip("10.0.0.2")));
    CHECK(bench.worker.run_burst() == 4);
    CHECK(bench.driver.sent_numbers() == std::vector<std::uint32_t>{1, 3});
    const Counters& counters = bench.worker.counters();
    CHECK(counters.received.get() == 4);
    CHECK(counters.verdicts[static_cast<std::size_t>(Verdict::forwarded)].get() == 2);
    CHECK(counters.verdicts[static_cast<std::size_t>(Verdict::passed)].get() == 1);
    CHECK(dropped(bench.worker, Drop::not_served) == 1);
    CHECK(bench.worker.run_burst() == 0);
}

TEST_CASE("held fragments leave right after their first one, in the order in which they came") {
    Bench bench;
    auto parts = datagram(7);
    REQUIRE(parts.size() == 3);
    bench.driver.put_burst(std::move(parts[2]), tcp_frame(1), std::move(parts[1]));
    bench.worker.run_burst();
    CHECK(bench.driver.sent_numbers() == std::vector<std::uint32_t>{2});
    CHECK(bench.worker.counters().received.get() == 1);
    bench.driver.put_burst(std::move(parts[0]));
    bench.worker.run_burst();
    CHECK(bench.driver.sent_numbers() == std::vector<std::uint32_t>{2, 4, 1, 3});
    CHECK(bench.worker.counters().received.get() == 4);
    for (std::size_t i = 2; i < 4; ++i)
        CHECK(std::equal(bench.driver.sent[i].bytes.begin(), bench.driver.sent[i].bytes.begin() + 12,
                         bench.driver.sent[1].bytes.begin()));
}

TEST_CASE("a held fragment's bytes are its own: what the driver receives later does not change them") {
    Bench bench;
    auto parts = datagram(7);
    const auto expected = ip_packet(parts[1]->bytes());
    bench.driver.put_burst(std::move(parts[1]));
    bench.worker.run_burst();
    for (std::uint16_t port = 0; port < 20; ++port) {
        bench.driver.put_burst(udp_frame(port, 1000));
        bench.worker.run_burst();
    }
    bench.driver.put_burst(std::move(parts[0]));
    bench.worker.run_burst();
    CHECK(ip_packet(bench.driver.sent.back().bytes) == expected);
}

TEST_CASE("more held fragments than a burst holds all come out, in order") {
    Bench bench;
    auto small = fragments_of(
        *[] {
            auto whole = udp_frame(9, 1200);
            clear_dont_fragment(*whole);
            return whole;
        }(),
        8, 9);
    REQUIRE(small.size() == 151);
    std::vector<std::unique_ptr<Frame>> burst;
    std::vector<std::uint32_t> expected{151};
    for (std::size_t i = 1; i < small.size(); ++i) {
        burst.push_back(std::move(small[i]));
        expected.push_back(static_cast<std::uint32_t>(i));
        if (burst.size() == 50) {
            bench.driver.put(std::move(burst));
            burst.clear();
            bench.worker.run_burst();
        }
    }
    REQUIRE(bench.driver.sent.empty());
    bench.driver.put_burst(std::move(small[0]));
    bench.worker.run_burst();
    CHECK(bench.driver.sent_numbers() == expected);
    CHECK(ended(bench.worker.counters()) == 151);
}

TEST_CASE("a fragment that waits in vain is dropped and counted without another packet coming") {
    Bench bench;
    auto parts = datagram(7);
    bench.driver.put_burst(std::move(parts[1]));
    bench.worker.run_burst();
    bench.driver.clock += 1;
    bench.worker.run_burst();
    CHECK(bench.worker.counters().received.get() == 0);
    bench.driver.clock += 1;
    CHECK(bench.worker.run_burst() == 0);
    CHECK(dropped(bench.worker, Drop::fragment_expired) == 1);
    CHECK(bench.worker.counters().received.get() == 1);
    CHECK(bench.driver.seen.back().number == 1);
    CHECK(bench.driver.sent.empty());
}

TEST_CASE("finish() ends the fragments that still wait: then all that was received has been counted") {
    Bench bench;
    auto parts = datagram(7);
    bench.driver.put_burst(std::move(parts[1]), std::move(parts[2]), tcp_frame(1));
    bench.worker.run_burst();
    bench.worker.finish();
    CHECK(dropped(bench.worker, Drop::fragment_expired) == 2);
    CHECK(bench.worker.counters().received.get() == 3);
    CHECK(ended(bench.worker.counters()) == 3);
}

TEST_CASE(
    "received = forwarded + answered + passed + dropped after every burst, and nothing is counted twice or lost") {
    Bench bench;
    std::uint32_t given = 0;
    for (std::uint16_t round = 0; round < 100; ++round) {
        auto parts = datagram(static_cast<std::uint16_t>(round + 1));
        std::vector<std::unique_ptr<Frame>> burst;
        burst.push_back(tcp_frame(round));
        burst.push_back(udp_frame(round, 1600));  // a super-frame
        if (round % 3 != 0) burst.push_back(std::move(parts[0]));
        burst.push_back(std::move(parts[2]));
        burst.push_back(std::move(parts[1]));
        burst.push_back(udp_frame(round, 4, 53, ip("10.0.0.2")));
        given += static_cast<std::uint32_t>(burst.size());
        bench.driver.put(std::move(burst));
        if (round % 10 == 0) ++bench.driver.clock;
        bench.driver.refuse = round % 7 == 0;
        bench.worker.run_burst();
        REQUIRE(ended(bench.worker.counters()) == bench.worker.counters().received.get());
    }
    bench.worker.finish();
    CHECK(bench.worker.counters().received.get() == given);
    CHECK(ended(bench.worker.counters()) == given);
    CHECK(dropped(bench.worker, Drop::fragment_expired) == 34 * 2);
    std::vector<int> ends(given + 1);
    for (const Packet& packet : bench.driver.seen)
        if (packet.verdict != Verdict::held) ++ends[packet.number];
    CHECK(std::ranges::count(ends, 1) == given);
}

TEST_CASE("what the driver could not send is counted as transmit_failed, not as forwarded") {
    Bench bench;
    bench.driver.refuse = true;
    bench.driver.put_burst(tcp_frame(1));
    bench.worker.run_burst();
    CHECK(dropped(bench.worker, Drop::transmit_failed) == 1);
    CHECK(bench.worker.counters().verdicts[static_cast<std::size_t>(Verdict::forwarded)].get() == 0);
}

TEST_CASE("a published table is used from the next burst on, and held fragments go by it") {
    Bench bench;
    auto parts = datagram(7);
    bench.driver.put_burst(std::move(parts[1]));
    bench.worker.run_burst();
    const auto old = std::move(bench.core.table);
    CHECK(bench.worker.in_use() == old.get());
    bench.core.rebuild(two_server_config(), one_arm(), {{kServer1, kClientMac}, {kServer2, kClientMac}});
    bench.worker.publish(bench.core.table.get());
    CHECK(bench.driver.woken == 1);
    CHECK(bench.worker.in_use() == old.get());
    // The client's MAC address is the servers' now: what they would get is taken for bounced.
    bench.driver.put_burst(std::move(parts[0]));
    bench.worker.run_burst();
    CHECK(bench.worker.in_use() == bench.core.table.get());
    CHECK(dropped(bench.worker, Drop::bounced) == 2);
}

TEST_CASE("ARP frames that control hands over are sent before the next burst and counted nowhere") {
    Bench bench;
    ArpFrame frame;
    frame.interface = 0;
    frame.bytes[0] = 0xff;
    CHECK(bench.worker.send_arp(frame));
    CHECK(bench.driver.woken == 1);
    bench.driver.put_burst(tcp_frame(1));
    bench.worker.run_burst();
    REQUIRE(bench.driver.sent.size() == 2);
    CHECK(bench.driver.sent[0].bytes == std::vector<std::uint8_t>(frame.bytes.begin(), frame.bytes.end()));
    CHECK(bench.worker.counters().received.get() == 1);
}

TEST_CASE("ARP that came in reaches control") {
    Bench bench;
    bench.driver.put_burst(frame_of([](wire::FrameBuilder& builder) {
        builder.arp(wire::kArpReply, kServer1Mac, kServer1, kLbMac, ip("10.0.0.2"));
    }));
    bench.worker.run_burst();
    ArpMessage message;
    REQUIRE(bench.worker.take_arp(message));
    CHECK(message.arp.sender_address == kServer1);
    CHECK_FALSE(bench.worker.take_arp(message));
}

TEST_CASE("run() ends at stop(), serves what the driver still holds and leaves no fragment uncounted") {
    Bench bench;
    auto parts = datagram(7);
    bench.driver.put_burst(std::move(parts[1]));
    bench.driver.when_idle = [&] {
        bench.driver.put_burst(tcp_frame(1));
        bench.driver.put_burst(tcp_frame(2));
        bench.worker.stop();
    };
    bench.worker.run();
    CHECK(bench.driver.sent.size() == 2);
    CHECK(bench.worker.counters().received.get() == 3);
    CHECK(dropped(bench.worker, Drop::fragment_expired) == 1);
}

TEST_CASE("the flow table is swept as time goes by: an idle flow does not come back 18 hours later") {
    Bench bench;
    bench.driver.clock = 0;
    bench.driver.put_burst(tcp_frame(1, wire::kTcpAck));
    bench.worker.run_burst();
    // Ten hours, a burst now and then.
    for (bench.driver.clock = 1; bench.driver.clock < 36000; bench.driver.clock += 10)
        bench.worker.run_burst();
    bench.driver.clock = 65536 + 5;
    bench.driver.put_burst(tcp_frame(1, wire::kTcpAck));
    bench.worker.run_burst();
    CHECK(bench.worker.counters().new_flows.get() == 2);
}
