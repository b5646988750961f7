// The program dsr_clamp_mss on single frames, against a parser of options that is written the other way round.
#include <catch2/catch.hpp>
#include <optional>
#include <random>

#include "common/wire/build.hpp"
#include "common/wire/checksum.hpp"
#include "filter_run.hpp"

namespace dsr::test {
namespace {

constexpr std::uint16_t kMss = 1400;
constexpr std::size_t kIp = sizeof(wire::EthernetHeader);
constexpr std::uint8_t kSynAck = wire::kTcpSyn | wire::kTcpAck;

serverprep::Filter filter() {
    serverprep::Filter made;
    made.role = serverprep::FilterRole::clamp_mss;
    made.vips = {address("10.9.9.9")};
    made.mss = kMss;
    return made;
}

struct Segment {
    wire::Ipv4Fields ip{.source = address("10.9.9.9"), .destination = address("198.51.100.7")};
    Frame options = {};
    std::uint8_t flags = kSynAck;
    std::size_t payload = 0;
};

Frame built(const Segment& segment) {
    Frame frame(400);
    const Frame payload(segment.payload, 0x5a);
    const auto done =
        wire::FrameBuilder(frame)
            .ethernet({}, {})
            .ipv4(segment.ip)
            .tcp({.source_port = 80, .destination_port = 4000, .flags = segment.flags, .options = segment.options})
            .payload(payload)
            .finish();
    REQUIRE(done);
    frame.resize(done->size());
    return frame;
}

wire::Ipv4Header& ip_of(Frame& frame) {
    return *reinterpret_cast<wire::Ipv4Header*>(frame.data() + kIp);
}

std::size_t tcp_at(Frame& frame) {
    return kIp + ip_of(frame).header_length();
}

// Puts the right checksum, computed anew.
void sum(Frame& frame) {
    const std::size_t at = tcp_at(frame);
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(frame.data() + at);
    const wire::Bytes bytes(frame.data() + at, frame.size() - at);
    tcp.checksum = {};
    tcp.checksum = wire::internet_checksum(
        bytes, wire::pseudo_header_sum(ip_of(frame).source, ip_of(frame).destination, wire::kProtocolTcp,
                                       static_cast<std::uint16_t>(bytes.size())));
}

// Where the value of the first MSS option stands within the options.
std::optional<std::size_t> mss_value_at(const Frame& options) {
    std::size_t at = 0;
    while (at < options.size() && options[at] != 0) {
        if (options[at] == 1) {
            ++at;
            continue;
        }
        if (at + 1 >= options.size() || options[at + 1] < 2) return std::nullopt;
        if (options[at] == 2 && options[at + 1] == 4)
            return at + 4 <= options.size() ? std::optional(at + 2) : std::nullopt;
        at += options[at + 1];
    }
    return std::nullopt;
}

// What should become of the segment.
Frame clamped(Frame frame, const Frame& options) {
    const auto at = mss_value_at(options);
    if (!at) return frame;
    std::uint8_t* value = frame.data() + tcp_at(frame) + sizeof(wire::TcpHeader) + *at;
    if ((value[0] << 8 | value[1]) <= kMss) return frame;
    value[0] = kMss >> 8U;
    value[1] = kMss & 0xffU;
    sum(frame);
    return frame;
}

void check(FilterRun& clamp, const Segment& segment) {
    const Frame frame = built(segment);
    const Frame expected = clamped(frame, segment.options);
    const Ran ran = clamp.run(frame);
    CHECK(ran.verdict == kGoesOn);
    CHECK(ran.counted == (expected == frame ? "seen" : "clamped+seen"));
    CHECK(ran.frame == expected);
}

void check_unseen(FilterRun& clamp, const Segment& segment) {
    const Frame frame = built(segment);
    const Ran ran = clamp.run(frame);
    CHECK(ran.verdict == kGoesOn);
    CHECK(ran.counted.empty());
    CHECK(ran.frame == frame);
}

const Frame kMss1460{2, 4, 0x05, 0xb4};

}  // namespace

TEST_CASE("clamp_mss: a larger MSS becomes the limit, and the checksum stays right") {
    FilterRun clamp(filter());
    const Frame frame = built({.options = kMss1460});
    Ran ran = clamp.run(frame);
    CHECK(ran.counted == "clamped+seen");
    const std::uint8_t* option = ran.frame.data() + tcp_at(ran.frame) + sizeof(wire::TcpHeader);
    CHECK((option[2] << 8 | option[3]) == kMss);
    Frame again = ran.frame;
    sum(again);
    CHECK(ran.frame == again);
}

TEST_CASE("clamp_mss: the option is found wherever it stands, also at an odd byte") {
    FilterRun clamp(filter());
    const std::vector<Frame> all{
        kMss1460,
        {2, 4, 0xff, 0xff},
        {1, 2, 4, 0x05, 0xb4, 1, 1, 1},
        {1, 1, 2, 4, 0x05, 0xb4, 1, 0},
        {1, 1, 1, 2, 4, 0x05, 0xb4, 0},
        {3, 3, 7, 2, 4, 0x05, 0xb4, 0},                                       // window scale before it
        {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 3, 3, 7, 2, 4, 0x05, 0xb4, 0},  // timestamps, SACK, scale, MSS
        {2, 4, 0x05, 0xb4, 2, 4, 0x05, 0xb4},                                 // twice: the first counts
        {253, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,   0, 0, 0, 0, 0, 0, 0, 0,  // in the last four bytes
         0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0x05, 0xb4},
    };
    for (const Frame& options : all) {
        CAPTURE(options);
        REQUIRE(mss_value_at(options));
        check(clamp, {.options = options});
        check(clamp, {.options = options, .flags = wire::kTcpSyn, .payload = 33});
    }
}

TEST_CASE("clamp_mss: without a larger MSS in a sound list of options nothing changes") {
    FilterRun clamp(filter());
    const std::vector<Frame> all{
        {},
        {2, 4, 0x05, 0x78},          // the limit itself
        {2, 4, 0x02, 0x18},          // 536
        {0, 0, 0, 0, 2, 4, 5, 180},  // after the end of options
        {3, 0, 2, 4, 5, 180, 0, 0},  // an option of length 0
        {3, 1, 2, 4, 5, 180, 0, 0},
        {2, 3, 5, 180, 0, 0, 0, 0},   // an MSS of a wrong length
        {3, 40, 2, 4, 5, 180, 0, 0},  // an option that is longer than the list
        {1, 1, 1, 2},                 // cut in the middle
        {1, 1, 2, 4},
        {1, 2, 4, 5},
    };
    for (const Frame& options : all) {
        CAPTURE(options);
        const Frame frame = built({.options = options, .payload = 8});
        REQUIRE(clamped(frame, options) == frame);
        check(clamp, {.options = options, .payload = 8});
    }
}

TEST_CASE("clamp_mss: behind IP options the segment is found all the same") {
    FilterRun clamp(filter());
    for (std::size_t size : {4U, 20U, 40U}) {
        const Frame ip_options(size, 1);
        Segment segment{.options = kMss1460};
        segment.ip.options = ip_options;
        check(clamp, segment);
    }
}

TEST_CASE("clamp_mss: what is no SYN from a VIP is not even looked at") {
    FilterRun clamp(filter());
    check_unseen(clamp, {.options = kMss1460, .flags = wire::kTcpAck});
    Segment own{.options = kMss1460};
    own.ip.source = address("10.9.0.2");
    check_unseen(clamp, own);
    Segment to_vip{.options = kMss1460};
    to_vip.ip.source = address("198.51.100.7");
    to_vip.ip.destination = address("10.9.9.9");
    check_unseen(clamp, to_vip);
    Segment fragment{.options = kMss1460};
    fragment.ip.dont_fragment = false;
    fragment.ip.more_fragments = true;
    check_unseen(clamp, fragment);
    Segment later{.options = kMss1460};
    later.ip.dont_fragment = false;
    later.ip.fragment_offset = 8;
    check_unseen(clamp, later);
    Frame udp = built({.options = kMss1460});
    ip_of(udp).protocol = wire::kProtocolUdp;
    CHECK(clamp.run(udp).counted.empty());
}

TEST_CASE("clamp_mss: of any bytes in place of options exactly the first sound MSS is changed") {
    FilterRun clamp(filter());
    std::mt19937 random(20240601);
    const auto below = [&](unsigned limit) { return static_cast<std::uint8_t>(random() % limit); };
    int changed = 0;
    for (unsigned round = 0; round < 1000; ++round) {
        Segment segment;
        while (segment.options.size() < 4U * (round % 11)) {
            // Likely to be a list: kinds and lengths that exist, now and then anything.
            switch (below(6)) {
                case 0:
                    segment.options.push_back(1);
                    break;
                case 1:
                    segment.options.insert(segment.options.end(), {2, 4, below(8), below(255)});
                    break;
                case 2:
                    segment.options.insert(segment.options.end(), {3, 3, 7});
                    break;
                case 3:
                    segment.options.insert(segment.options.end(), {4, 2});
                    break;
                case 4:
                    segment.options.insert(segment.options.end(), {below(255), below(9)});
                    break;
                default:
                    segment.options.push_back(below(4));
            }
        }
        segment.options.resize(4U * (round % 11));
        segment.payload = below(3);
        CAPTURE(round, segment.options);
        const Frame frame = built(segment);
        changed += clamped(frame, segment.options) != frame ? 1 : 0;
        check(clamp, segment);
    }
    CHECK(changed > 100);
}

TEST_CASE("clamp_mss: a segment that claims more header than there is does no harm") {
    FilterRun clamp(filter());
    for (std::uint8_t words = 0; words < 16; ++words) {
        Frame frame = built({.options = {1, 1, 2, 4}});
        frame[tcp_at(frame) + 12] = static_cast<std::uint8_t>(words << 4U);
        CAPTURE(int{words});
        CHECK(clamp.run(frame).frame == frame);
    }
    const Frame whole = built({.options = kMss1460});
    for (std::size_t size = kIp + sizeof(wire::Ipv4Header); size < whole.size(); ++size) {
        Frame cut = whole;
        cut.resize(size);
        CHECK(clamp.run(cut).frame == cut);
    }
}

}  // namespace dsr::test
