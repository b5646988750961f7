// Scenes for the judge: a segment with a client, a load balancer and two servers, and what was captured at the client,
// made of real frames.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/wire/build.hpp"
#include "verify/judge/judge.hpp"
#include "verify/observation.hpp"

namespace dsr::verify::test {

inline const auto kVip = wire::Ipv4Address::parse("203.0.113.10").value();
inline const auto kClient = wire::Ipv4Address::parse("10.0.0.50").value();
inline const auto kServer1 = wire::Ipv4Address::parse("10.0.0.11").value();
inline const auto kServer2 = wire::Ipv4Address::parse("10.0.0.12").value();
inline const auto kGateway = wire::Ipv4Address::parse("10.0.0.1").value();
inline const auto kClientMac = wire::MacAddress::parse("02:00:00:00:00:50").value();
inline const auto kLbMac = wire::MacAddress::parse("02:00:00:00:00:02").value();
inline const auto kMac1 = wire::MacAddress::parse("02:00:00:00:00:11").value();
inline const auto kMac2 = wire::MacAddress::parse("02:00:00:00:00:12").value();
inline const auto kStranger = wire::MacAddress::parse("02:00:00:00:00:99").value();
inline constexpr std::uint32_t kSequence = 1000;

// Two flows for each of two servers, from ports 20000, 20001 (server 0) and 20002, 20003 (server 1).
class Scene {
public:
    explicit Scene(Protocol protocol = Protocol::tcp);

    // The whole of one frame from here to there.
    void frame(const std::function<void(wire::FrameBuilder&)>& write);

    void arp_reply(const wire::MacAddress& from, wire::Ipv4Address address);
    // What the client sends on a flow: SYN and FIN, or two datagrams.
    void request(const wire::FlowKey& flow, const wire::MacAddress& to);
    // Two reply frames: a SYN-ACK and an acknowledgment of the FIN, or two datagrams.
    void reply(const wire::FlowKey& flow, const wire::MacAddress& from, std::uint8_t ttl = 64);
    void reply_from(const wire::FlowKey& flow, const wire::MacAddress& from, wire::Ipv4Address source);
    void reset(const wire::FlowKey& flow, const wire::MacAddress& from);
    // Quotes the flow's first packet.
    void icmp_error(const wire::FlowKey& flow, const wire::MacAddress& from, wire::Ipv4Address source,
                    std::uint8_t type, std::uint8_t code);

    // The flow a server is given, 0..3.
    [[nodiscard]] const wire::FlowKey& flow(std::size_t index) const { return target().flows[index].flow; }
    // Sends and answers flows as a correct service would; `replier` overrides who answers a flow (zero: nobody).
    void converse(const std::function<wire::MacAddress(std::size_t flow)>& replier = {});
    void healthy_arp();

    // A second look at a server in which nothing was answered; the reactions are added by the test.
    const Knock& knock(std::size_t server, const wire::MacAddress& mac);
    void echo_reply(const Knock& knock, const wire::MacAddress& from);
    void echo_error(const Knock& knock, std::uint16_t sequence, const wire::MacAddress& from, wire::Ipv4Address source,
                    std::uint8_t type, std::uint8_t code = 0);

    // The load balancer's counters grow by this much during the probes.
    void counters(std::uint64_t received, std::vector<std::uint64_t> servers, std::uint64_t returns);
    void forget_servers();  // neither their addresses nor the ring are known
    void route();           // put the VIP behind a router

    [[nodiscard]] TargetObservation& target() { return vip.targets[0]; }
    [[nodiscard]] const TargetObservation& target() const { return vip.targets[0]; }

    [[nodiscard]] std::vector<Claim> claims() const;
    // The claim of this name, for every-server-answers the one whose subject ends in the address.
    [[nodiscard]] Claim claim(const std::string& name, const std::string& about = "") const;

    VipObservation vip;
};

// The load balancer's counters for the scene's service.
LbCounters counters_of(Protocol protocol, std::uint64_t received, const std::vector<std::uint64_t>& servers,
                       std::uint64_t returns);

}  // namespace dsr::verify::test
