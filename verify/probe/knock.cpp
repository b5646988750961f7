#include "verify/probe/knock.hpp"

#include <array>
#include <optional>
#include <string_view>

#include "common/wire/build.hpp"
#include "verify/evidence/trace.hpp"
#include "verify/probe/conversation.hpp"

namespace dsr::verify {
namespace {

using wire::FlowKey;
using wire::FrameBuilder;
using wire::MacAddress;

constexpr std::string_view kCookie = "dsr-verify knock\n";
constexpr std::uint32_t kSequence = 0x64737200;

wire::Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Frames to one server's MAC from the client, with TTL 1: nobody may send them on.
class Knocker {
public:
    Knocker(const Path& path, const MacAddress& server, Recorder& recorder)
        : path_(path), server_(server), recorder_(recorder) {}

    Result<void> echo(wire::Ipv4Address destination, std::uint16_t id, std::uint16_t sequence) {
        return send(begin(destination)
                        .icmp({.type = wire::kIcmpEchoRequest, .rest_high = id, .rest_low = sequence})
                        .payload(bytes_of(kCookie)));
    }

    Result<void> ask(const FlowKey& flow) {
        if (flow.protocol == wire::kProtocolUdp)
            return send(
                begin(flow.destination).udp(flow.source_port, flow.destination_port).payload(bytes_of(kCookie)));
        return segment(flow, kSequence, wire::kTcpSyn);
    }

    // Takes back a connection that the SYN may have half opened: our kernel's reset goes to the load balancer, which
    // may hand it to another server.
    Result<void> take_back(const FlowKey& flow) {
        if (flow.protocol == wire::kProtocolUdp) return {};
        return segment(flow, kSequence + 1, wire::kTcpRst);
    }

private:
    FrameBuilder begin(wire::Ipv4Address destination) {
        FrameBuilder builder(buffer_);
        builder.ethernet(server_, path_.mac).ipv4({.source = path_.client, .destination = destination, .ttl = 1});
        return builder;
    }

    Result<void> segment(const FlowKey& flow, std::uint32_t sequence, std::uint8_t flags) {
        return send(begin(flow.destination)
                        .tcp({.source_port = flow.source_port,
                              .destination_port = flow.destination_port,
                              .sequence = sequence,
                              .flags = flags}));
    }

    Result<void> send(FrameBuilder& builder) { return recorder_.inject(builder); }

    const Path& path_;
    MacAddress server_;
    Recorder& recorder_;
    std::array<std::uint8_t, 128> buffer_{};
};

struct Port {
    sys::UniqueFd socket;
    std::uint16_t number = 0;
};

// The first free port from the top of the range: plans start at random, so these are rarely in use.
std::optional<Port> take_port(const Path& path, std::uint8_t protocol, std::uint16_t& next) {
    while (next > kFirstProbePort) {
        Port port{bind_port(path, protocol, next), next};
        --next;
        if (port.socket.valid()) return port;
    }
    return std::nullopt;
}

Result<void> knock_directly(const Path& path, const MacAddress& mac, const Knock& knock,
                            std::chrono::milliseconds timeout, Recorder& recorder) {
    Knocker knocker(path, mac, recorder);
    const auto start = Clock::now();
    // Twice: ICMP errors are rate-limited (icmp_ratelimit), and anything may be lost.
    for (int round = 1; round <= 2; ++round) {
        for (auto sent : {knocker.echo(knock.direct.destination, knock.echo_id, kKnockVip), knocker.ask(knock.direct),
                          knocker.echo(kElsewhere, knock.echo_id, kKnockElsewhere)})
            if (!sent) return sent;
        if (auto waited = recorder.wait_until([] { return false; }, start + timeout * round / 2); !waited)
            return waited;
    }
    return knocker.take_back(knock.direct);
}

}  // namespace

Result<void> knock(VipObservation& vip, std::size_t target, const Segment& segment,
                   const std::vector<std::size_t>& servers, std::chrono::milliseconds timeout, Recorder& recorder) {
    const Path& path = vip.path;
    TargetObservation& seen = vip.targets[target];
    const auto protocol = static_cast<std::uint8_t>(seen.target.protocol);
    std::uint16_t next_port = kLastProbePort;
    for (const std::size_t server : servers) {
        const wire::Ipv4Address address = seen.target.servers[server].address;
        // The direct port stays bound until the end, so that no connection of others gets these replies.
        const auto direct = take_port(path, protocol, next_port);
        auto own = take_port(path, protocol, next_port);
        if (!direct || !own) return fail("no free source port is left to look at the silent servers");
        Knock made;
        made.server = server;
        made.direct = {path.client, seen.target.vip, direct->number, seen.target.port, protocol};
        made.own = {path.client, address, own->number, seen.target.port, protocol};
        made.echo_id = vip.free_echo_id();
        std::vector<Conversation> conversations;
        conversations.push_back({made.own, std::move(own->socket), false});
        if (auto held = converse(std::move(conversations), timeout, recorder); !held)
            return std::unexpected(held.error());
        if (const auto mac = segment.mac_of(address))
            if (auto knocked = knock_directly(path, *mac, made, timeout, recorder); !knocked) return knocked;
        seen.knocks.push_back(made);
    }
    return {};
}

}  // namespace dsr::verify
