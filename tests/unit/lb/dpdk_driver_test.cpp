// The driver's own handling of buffers, on DPDK's software ports, in ordinary memory.
#include "lb/driver/dpdk/dpdk_driver.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <set>

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "lb/driver/dpdk/eal.hpp"
#include "lb/driver/dpdk/eal_arguments.hpp"
#include "lb/driver/dpdk/receiver.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

// One for all tests: DPDK starts once in a process.
class World {
public:
    static World& get() {
        static World world;
        return world;
    }

    rte_mempool* pool = nullptr;
    rte_ring* received = nullptr;    // what the driver receives from
    std::unique_ptr<DpdkPort> port;  // net_ring: what is sent by it comes in by it
    std::unique_ptr<KernelPath> kernel;

    // Of the pool; every test must leave as many as it found.
    unsigned free_buffers() const { return rte_mempool_avail_count(pool); }

    // What has been sent by the port.
    std::vector<std::vector<std::uint8_t>> sent() const {
        std::vector<std::vector<std::uint8_t>> frames;
        rte_mbuf* buffer = nullptr;
        while (rte_eth_rx_burst(port->id(), 0, &buffer, 1) == 1) {
            std::vector<std::uint8_t> bytes(buffer->pkt_len);
            const void* read = rte_pktmbuf_read(buffer, 0, buffer->pkt_len, bytes.data());
            if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
            frames.push_back(std::move(bytes));
            rte_pktmbuf_free(buffer);
        }
        return frames;
    }

    rte_mbuf* buffer_with(wire::Bytes bytes) const {
        rte_mbuf* buffer = rte_pktmbuf_alloc(pool);
        std::memcpy(rte_pktmbuf_append(buffer, static_cast<std::uint16_t>(bytes.size())), bytes.data(), bytes.size());
        buffer->port = 0;
        return buffer;
    }
    void give(rte_mbuf* buffer) const { REQUIRE(rte_ring_enqueue(received, buffer) == 0); }

private:
    World() {
        DpdkInterface interface{"lan", parse_device("net_ring0").value(), kLbMac, 1500, -1};
        EalPlan plan;
        plan.devices = {interface.device};
        plan.memory = 128;
        plan.file_prefix = "dsr-lb-test";
        eal_ = Eal::start(eal_arguments(plan)).value();
        pool = rte_pktmbuf_pool_create("test", 4095, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
        received = rte_ring_create("received", 256, SOCKET_ID_ANY, 0);
        port = DpdkPort::find(interface, eal_->probe(interface.device).value(), 1).value();
        REQUIRE(port->start(pool, false, false));
        kernel = KernelPath::open({{}}, pool).value();
    }
    std::unique_ptr<Eal> eal_;
};

struct Fixture {
    World& world = World::get();
    unsigned free_before = world.free_buffers();
    std::unique_ptr<DpdkDriver> driver = std::make_unique<DpdkDriver>(std::vector{world.port.get()}, *world.kernel, 0,
                                                                      world.received, std::vector<std::uint32_t>{});
    std::array<Packet, kBurstSize> burst;

    std::size_t receive() { return driver->receive(burst); }
    // As forward() would leave it.
    Packet& forwarded(std::size_t i) {
        burst[i].verdict = Verdict::forwarded;
        return burst[i];
    }
    void transmit(std::size_t count) { driver->transmit(std::span(burst).first(count)); }
    std::vector<std::uint8_t> bytes_of(std::size_t i) const {
        return {burst[i].bytes().begin(), burst[i].bytes().end()};
    }

    ~Fixture() {
        (void)world.sent();
        driver.reset();
        CHECK(world.free_buffers() == free_before);
    }
};

std::vector<std::uint8_t> copy_of(Frame& frame) {
    return {frame.bytes().begin(), frame.bytes().end()};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "frames come in with their bytes, interface and headroom, and leave in the same buffer") {
    const auto first = tcp_frame(1000);
    const auto second = udp_frame(1001, 700);
    world.give(world.buffer_with(first->bytes()));
    world.give(world.buffer_with(second->bytes()));
    REQUIRE(receive() == 2);
    CHECK(bytes_of(0) == copy_of(*first));
    CHECK(bytes_of(1) == copy_of(*second));
    CHECK(burst[1].ingress == 0);
    CHECK_FALSE(burst[0].ip_checked);
    forwarded(1);
    burst[1].data -= kHeadroom;  // an outer header in front
    std::memset(burst[1].data, 7, kHeadroom);
    burst[1].length += static_cast<std::uint32_t>(kHeadroom);
    forwarded(0);
    const auto expected = bytes_of(1);
    transmit(2);
    const auto sent = world.sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0] == copy_of(*first));
    CHECK(sent[1] == expected);
}

TEST_CASE_METHOD(Fixture, "what has another end than leaving goes back to the pool") {
    for (int i = 0; i < 5; ++i)
        world.give(world.buffer_with(tcp_frame(1000)->bytes()));
    REQUIRE(receive() == 5);
    burst[0].verdict = Verdict::passed;
    burst[1].drop(Drop::not_served);
    burst[2].verdict = Verdict::held;
    burst[3].verdict = Verdict::passed;
    forwarded(4);
    transmit(5);
    CHECK(world.sent().size() == 1);
    CHECK(receive() == 0);
    CHECK(world.free_buffers() == free_before);
}

TEST_CASE_METHOD(Fixture, "the device's word that the IP header's checksum is right is handed on, its doubt is not") {
    const auto frame = tcp_frame(1000);
    for (const std::uint64_t flags : std::initializer_list<std::uint64_t>{
             RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_NONE, 0}) {
        rte_mbuf* buffer = world.buffer_with(frame->bytes());
        buffer->ol_flags = flags;
        world.give(buffer);
        REQUIRE(receive() == 1);
        CHECK(burst[0].ip_checked == (flags == RTE_MBUF_F_RX_IP_CKSUM_GOOD));
    }
}

TEST_CASE_METHOD(Fixture, "a chain of buffers becomes one, one that is too long is dropped") {
    const auto frame = udp_frame(1001, 1700);
    const auto bytes = copy_of(*frame);
    rte_mbuf* chain = world.buffer_with(wire::Bytes(bytes).first(100));
    REQUIRE(rte_pktmbuf_chain(chain, world.buffer_with(wire::Bytes(bytes).subspan(100, 900))) == 0);
    REQUIRE(rte_pktmbuf_chain(chain, world.buffer_with(wire::Bytes(bytes).subspan(1000))) == 0);
    world.give(chain);
    const std::vector<std::uint8_t> part(2000, 1);
    rte_mbuf* long_chain = world.buffer_with(part);
    REQUIRE(rte_pktmbuf_chain(long_chain, world.buffer_with(part)) == 0);
    world.give(long_chain);
    REQUIRE(receive() == 1);
    CHECK(bytes_of(0) == bytes);
}

TEST_CASE_METHOD(Fixture, "a buffer that is somebody else's too, or has no room in front, is copied") {
    const auto frame = tcp_frame(1000);
    rte_mbuf* shared = world.buffer_with(frame->bytes());
    rte_mbuf_refcnt_update(shared, 1);
    world.give(shared);
    rte_mbuf* tight = world.buffer_with(frame->bytes());
    REQUIRE(rte_pktmbuf_prepend(tight, RTE_PKTMBUF_HEADROOM - kHeadroom + 1) != nullptr);
    std::memcpy(rte_pktmbuf_mtod(tight, void*), frame->bytes().data(), frame->bytes().size());
    tight->data_len = static_cast<std::uint16_t>(frame->bytes().size());
    tight->pkt_len = tight->data_len;
    world.give(tight);
    REQUIRE(receive() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(bytes_of(i) == copy_of(*frame));
        std::memset(burst[i].data - kHeadroom, 9, kHeadroom + 20);
    }
    CHECK(std::memcmp(rte_pktmbuf_mtod(shared, void*), frame->bytes().data(), frame->bytes().size()) == 0);
    rte_pktmbuf_free(shared);
}

TEST_CASE_METHOD(Fixture, "a VLAN tag that the kernel has taken off is put back") {
    const auto frame = tcp_frame(1000);
    rte_mbuf* buffer = world.buffer_with(frame->bytes());
    buffer->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    buffer->vlan_tci = 0x2064;
    world.give(buffer);
    REQUIRE(receive() == 1);
    auto expected = copy_of(*frame);
    const std::array<std::uint8_t, 4> tag{0x81, 0x00, 0x20, 0x64};
    expected.insert(expected.begin() + 12, tag.begin(), tag.end());
    CHECK(bytes_of(0) == expected);
}

TEST_CASE_METHOD(Fixture, "bytes that lie elsewhere are copied: ARP of lb's own, fragments that have waited") {
    world.give(world.buffer_with(tcp_frame(1000)->bytes()));
    REQUIRE(receive() == 1);
    const auto elsewhere = udp_frame(2000);
    Packet own = elsewhere->packet();
    own.verdict = Verdict::answered;
    own.number = 0;  // as the received one
    driver->transmit({&own, 1});
    const auto sent = world.sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0] == copy_of(*elsewhere));
    forwarded(0);
    transmit(1);
    CHECK(world.sent().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a packet that is too large is sent in pieces") {
    const auto frame = udp_frame(1001, 1800);
    clear_dont_fragment(*frame);
    world.give(world.buffer_with(frame->bytes()));
    REQUIRE(receive() == 1);
    forwarded(0).cut = Cut::fragments;
    burst[0].piece_payload = 800;
    transmit(1);
    const auto sent = world.sent();
    REQUIRE(sent.size() == 3);
    CHECK(burst[0].verdict == Verdict::forwarded);
    std::size_t payload = 0;
    for (const auto& piece : sent)
        payload += ip_packet(piece).size() - 20;
    CHECK(payload == 1808);
}

TEST_CASE_METHOD(Fixture, "what the port cannot take is counted as transmit_failed, and lost nowhere else") {
    // net_ring holds 1023 frames.
    std::size_t failed = 0;
    for (int round = 0; round < 17; ++round) {
        for (std::size_t i = 0; i < kBurstSize; ++i)
            world.give(world.buffer_with(tcp_frame(1000)->bytes()));
        REQUIRE(receive() == kBurstSize);
        for (std::size_t i = 0; i < kBurstSize; ++i)
            forwarded(i);
        transmit(kBurstSize);
        for (std::size_t i = 0; i < kBurstSize; ++i)
            failed += burst[i].verdict == Verdict::dropped && burst[i].reason == Drop::transmit_failed ? 1U : 0U;
    }
    CHECK(failed == 17 * kBurstSize - world.sent().size());
    CHECK(failed > 0);
}

TEST_CASE_METHOD(Fixture, "the receiving core hands each flow to one worker, and all workers get some") {
    constexpr std::uint32_t kWorkers = 3;
    const auto frames_before = world.free_buffers();
    {
        auto receiver = Receiver::start({world.port.get()}, kWorkers, {}).value();
        for (std::uint16_t i = 0; i < 300; ++i) {
            rte_mbuf* buffer = world.buffer_with(tcp_frame(static_cast<std::uint16_t>(1000 + i / 3))->bytes());
            REQUIRE(rte_eth_tx_burst(world.port->id(), 0, &buffer, 1) == 1);
        }
        std::map<std::uint16_t, std::set<std::uint32_t>> workers_of_port;
        std::array<int, kWorkers> received{};
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (received[0] + received[1] + received[2] < 300 && std::chrono::steady_clock::now() < deadline) {
            for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
                void* buffer = nullptr;
                while (rte_ring_dequeue(receiver->ring_of(worker), &buffer) == 0) {
                    auto* frame = static_cast<rte_mbuf*>(buffer);
                    const auto view = wire::parse_transport({rte_pktmbuf_mtod(frame, std::uint8_t*), frame->data_len});
                    workers_of_port[view.value().flow.source_port].insert(worker);
                    ++received[worker];
                    rte_pktmbuf_free(frame);
                }
            }
        }
        CHECK(workers_of_port.size() == 100);
        for (const auto& [port, workers] : workers_of_port)
            CHECK(workers.size() == 1);
        for (const int count : received)
            CHECK(count > 30);
        CHECK(receiver->overflowed(0) == 0);
    }
    CHECK(world.free_buffers() == frames_before);
}
