#include "lb/dataplane/offload.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

// As a kernel leaves it for the card to finish: the folded sum of the pseudo-header, not complemented.
wire::be16 bare_sum(const wire::TransportView& view, std::size_t length) {
    return wire::checksum_store(wire::checksum_fold(wire::pseudo_header_sum(
        view.flow.source, view.flow.destination, view.flow.protocol, static_cast<std::uint16_t>(length))));
}

}  // namespace

TEST_CASE("an unfinished checksum is finished on the way through, for TCP and UDP and odd lengths") {
    for (const std::size_t payload : {0U, 1U, 2U, 999U, 1400U}) {
        for (const bool tcp : {true, false}) {
            Core core;
            auto frame = tcp ? tcp_frame(9, wire::kTcpAck, payload) : udp_frame(9, payload);
            const std::vector<std::uint8_t> valid(frame->bytes().begin() + 14, frame->bytes().end());
            const auto view = wire::parse_transport(frame->bytes()).value();
            const std::size_t offset = 34 + (tcp ? 16U : 6U);
            wire::header_at<wire::be16>(frame->bytes(), offset) = bare_sum(view, view.ipv4.payload.size());
            REQUIRE(core.run(*frame).verdict == Verdict::forwarded);
            CHECK(transport_valid(frame->bytes()));
            CHECK(std::vector<std::uint8_t>(frame->bytes().begin() + 14, frame->bytes().end()) == valid);
        }
    }
}

TEST_CASE("a finished checksum, even a wrong one, is left alone: the server judges it") {
    Core core;
    auto frame = tcp_frame(9, wire::kTcpAck, 100);
    wire::header_at<wire::be16>(frame->bytes(), 34 + 16) = wire::be16(0x1234);
    core.run(*frame);
    CHECK(wire::header_at<wire::be16>(frame->bytes(), 34 + 16) == wire::be16(0x1234));
}
