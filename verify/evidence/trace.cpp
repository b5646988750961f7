#include "verify/evidence/trace.hpp"

#include <algorithm>

#include "common/wire/parse.hpp"

namespace dsr::verify {
namespace {

using wire::FlowKey;

// The ports where RFC 792 puts them: the first four bytes of TCP and UDP alike, which every ICMP error quotes.
std::optional<FlowKey> flow_of(const wire::Ipv4View& ip) {
    const wire::Ipv4Header& header = *ip.header;
    const bool has_ports = header.protocol == wire::kProtocolTcp || header.protocol == wire::kProtocolUdp;
    if (!has_ports || header.fragment_offset() != 0 || ip.payload.size() < 4) return std::nullopt;
    return FlowKey{header.source, header.destination, wire::header_at<wire::be16>(ip.payload, 0).host(),
                   wire::header_at<wire::be16>(ip.payload, 2).host(), header.protocol};
}

class Reader {
public:
    Reader(const VipObservation& observation, VipTrace& trace) : seen_(observation), trace_(trace) {
        for (std::size_t i = 0; i < seen_.targets.size(); ++i) {
            TargetTrace& target = trace_.targets.emplace_back();
            for (const PlannedFlow& planned : seen_.targets[i].flows)
                target.flows.push_back({.flow = planned.flow});
            for (const Knock& knock : seen_.targets[i].knocks)
                target.knocks.push_back({.direct = {.flow = knock.direct}, .own = {.flow = knock.own}});
        }
        index();
    }

    void read(const Frame& frame) {
        const auto ethernet = wire::parse_ethernet(frame.bytes);
        if (!ethernet) return;
        const wire::EthernetHeader& header = *ethernet->header;
        if (ethernet->ether_type == wire::kEtherTypeArp) return arp(header, ethernet->payload);
        if (ethernet->ether_type != wire::kEtherTypeIpv4) return;
        // The lenient parser: the capture keeps only the start of long frames.
        const auto ip = wire::parse_quoted_ipv4(ethernet->payload);
        if (!ip) return;
        if (header.source == seen_.path.mac) return sent(header, *ip);
        if (header.destination == seen_.path.mac) received(header, *ip);
    }

private:
    struct Echo {
        KnockTrace* knock;
        std::uint16_t id;
    };

    // Pointers into trace_, which does not grow any more.
    void index() {
        for (std::size_t i = 0; i < trace_.targets.size(); ++i) {
            TargetTrace& target = trace_.targets[i];
            for (FlowTrace& flow : target.flows)
                flows_[flow.flow] = &flow;
            for (std::size_t k = 0; k < target.knocks.size(); ++k) {
                flows_[target.knocks[k].direct.flow] = &target.knocks[k].direct;
                flows_[target.knocks[k].own.flow] = &target.knocks[k].own;
                echoes_.push_back({&target.knocks[k], seen_.targets[i].knocks[k].echo_id});
            }
        }
        for (auto& [key, flow] : flows_)
            by_client_port_.emplace(key.source_port, flow);
    }

    FlowTrace* find(const FlowKey& key) {
        const auto found = flows_.find(key);
        return found == flows_.end() ? nullptr : found->second;
    }

    KnockTrace* find_echo(std::uint16_t id) {
        const auto found = std::ranges::find(echoes_, id, &Echo::id);
        return found == echoes_.end() ? nullptr : found->knock;
    }

    void arp(const wire::EthernetHeader& ethernet, wire::Bytes payload) {
        const auto parsed = wire::parse_arp(payload);
        if (!parsed || ethernet.source == seen_.path.mac) return;
        const wire::ArpHeader& header = **parsed;
        const bool to_us = ethernet.destination == seen_.path.mac;
        if (header.operation.host() == wire::kArpReply && to_us) {
            if (header.sender_address == seen_.vip)
                trace_.arp_answers.insert(header.sender_mac);
            else
                trace_.neighbors.insert_or_assign(header.sender_address, header.sender_mac);
        }
        // RFC 826: a request also teaches its receivers who the sender is. An announcement (target = sender) is the
        // load balancer's right; a request for another address is a server's leak.
        if (header.operation.host() == wire::kArpRequest && header.sender_address == seen_.vip &&
            header.target_address != seen_.vip && (to_us || ethernet.destination.is_group()))
            trace_.arp_leaks.insert(header.sender_mac);
    }

    void sent(const wire::EthernetHeader& ethernet, const wire::Ipv4View& ip) {
        const auto key = flow_of(ip);
        FlowTrace* flow = key ? find(*key) : nullptr;
        if (flow == nullptr) return;
        ++flow->requests;
        flow->sent_to.insert(ethernet.destination);
        if (flow->flow.protocol != wire::kProtocolTcp) return;
        if (const auto tcp = wire::parse_tcp(ip.payload); tcp && (tcp->header->flags & wire::kTcpSyn) != 0)
            flow->sequence = tcp->header->sequence.host();
    }

    void received(const wire::EthernetHeader& ethernet, const wire::Ipv4View& ip) {
        if (ip.header->protocol == wire::kProtocolIcmp) return icmp(ethernet, ip);
        const auto key = flow_of(ip);
        if (!key) return;
        if (FlowTrace* flow = find(key->reversed())) {
            if (const auto reply = reply_of(ethernet, ip, *flow)) flow->replies.push_back(*reply);
        } else {
            stray(*key, ethernet, ip);
        }
    }

    static std::optional<Reply> reply_of(const wire::EthernetHeader& ethernet, const wire::Ipv4View& ip,
                                         const FlowTrace& flow) {
        Reply reply{ReplyKind::datagram, ethernet.source, ip.header->source, ip.header->ttl, false};
        if (ip.header->protocol == wire::kProtocolUdp) return reply;
        const auto tcp = wire::parse_tcp(ip.payload);
        if (!tcp) return std::nullopt;
        const wire::TcpHeader& header = *tcp->header;
        reply.kind = ReplyKind::segment;
        if ((header.flags & wire::kTcpRst) != 0) reply.kind = ReplyKind::reset;
        if ((header.flags & (wire::kTcpSyn | wire::kTcpAck)) == (wire::kTcpSyn | wire::kTcpAck))
            reply.kind = ReplyKind::syn_ack;
        if (!flow.sequence || (header.flags & wire::kTcpAck) == 0) return reply;
        const std::uint32_t acknowledged = header.acknowledgment.host() - *flow.sequence;
        if (reply.kind == ReplyKind::syn_ack && acknowledged != 1) return std::nullopt;  // of an older connection
        reply.beyond_syn = reply.kind == ReplyKind::segment && acknowledged > 1 && acknowledged < 0x80000000U;
        return reply;
    }

    // A packet to the port of one of our probes, from an address it was not sent to. Only what shows the cookie counts
    // for TCP; for UDP, the service port it comes from.
    void stray(const FlowKey& key, const wire::EthernetHeader& ethernet, const wire::Ipv4View& ip) {
        const auto [first, last] = by_client_port_.equal_range(key.destination_port);
        for (auto it = first; it != last; ++it) {
            FlowTrace& flow = *it->second;
            if (flow.flow.protocol != key.protocol || flow.flow.source != key.destination) continue;
            const auto reply = reply_of(ethernet, ip, flow);
            if (!reply) continue;
            const bool matches = key.protocol == wire::kProtocolUdp
                                     ? key.source_port == flow.flow.destination_port
                                     : reply->kind == ReplyKind::syn_ack && flow.sequence;
            if (matches) flow.strays.push_back(*reply);
        }
    }

    void icmp(const wire::EthernetHeader& ethernet, const wire::Ipv4View& ip) {
        const auto message = wire::parse_icmp(ip.payload);
        if (!message) return;
        const wire::IcmpHeader& header = *message->header;
        if (header.type == wire::kIcmpEchoReply) {
            KnockTrace* knock = ip.header->source == seen_.vip ? find_echo(header.rest_high.host()) : nullptr;
            if (knock != nullptr) knock->echo_reply = ethernet.source;
            return;
        }
        if (header.type != wire::kIcmpDestinationUnreachable && header.type != wire::kIcmpRedirect &&
            header.type != wire::kIcmpTimeExceeded)
            return;
        const auto quoted = wire::parse_quoted_ipv4(message->payload);
        if (!quoted) return;
        const IcmpError error{ethernet.source, ip.header->source, header.type, header.code};
        if (quoted->header->protocol == wire::kProtocolIcmp) return echo_error(*quoted, error);
        const auto key = flow_of(*quoted);
        FlowTrace* flow = key ? find(*key) : nullptr;
        if (flow != nullptr) flow->errors.push_back(error);
    }

    void echo_error(const wire::Ipv4View& quoted, const IcmpError& error) {
        const auto echo = wire::parse_icmp(quoted.payload);
        if (!echo || echo->header->type != wire::kIcmpEchoRequest) return;
        KnockTrace* knock = find_echo(echo->header->rest_high.host());
        if (knock == nullptr) return;
        const bool elsewhere = echo->header->rest_low.host() == kKnockElsewhere;
        (elsewhere ? knock->elsewhere_errors : knock->echo_errors).push_back(error);
    }

    const VipObservation& seen_;
    VipTrace& trace_;
    std::map<FlowKey, FlowTrace*> flows_;
    std::multimap<std::uint16_t, FlowTrace*> by_client_port_;
    std::vector<Echo> echoes_;
};

}  // namespace

bool FlowTrace::answered() const {
    return std::ranges::any_of(replies, [](const Reply& reply) {
        return reply.kind == ReplyKind::syn_ack || reply.kind == ReplyKind::datagram;
    });
}

bool FlowTrace::refused() const {
    return !answered() &&
           std::ranges::any_of(replies, [](const Reply& reply) { return reply.kind == ReplyKind::reset; });
}

VipTrace trace_of(const VipObservation& observation) {
    VipTrace trace;
    Reader reader(observation, trace);
    for (const Frame& frame : observation.frames)
        reader.read(frame);
    return trace;
}

}  // namespace dsr::verify
