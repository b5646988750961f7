// Judges what became of a frame, for tests with random input: the reading and summing here is their own, so that a
// mistake in common/wire or in the data plane does not excuse itself.
#pragma once

#include <map>
#include <string>

#include "lb/dataplane/cutter.hpp"
#include "tests/unit/lb/network.hpp"

namespace dsr::lb::test {

using Octets = std::vector<std::uint8_t>;

inline unsigned word(wire::Bytes bytes, std::size_t at) {
    return unsigned{bytes[at]} * 256U + bytes[at + 1];
}
inline unsigned long_word(wire::Bytes bytes, std::size_t at) {
    return word(bytes, at) * 65536U + word(bytes, at + 2);
}
// RFC 1071, slowly: the folded sum of the 16-bit words.
inline unsigned sum_of(wire::Bytes bytes, unsigned sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];  // at most 64 KB: no overflow
    while (sum > 0xffff)
        sum = (sum & 0xffffU) + (sum >> 16U);
    return sum;
}

// An IPv4 packet whose header is right and which ends where it says.
struct ReadIp {
    wire::Bytes header;
    wire::Bytes payload;
    [[nodiscard]] unsigned tos() const { return header[1]; }
    [[nodiscard]] unsigned id() const { return word(header, 4); }
    [[nodiscard]] bool dont_fragment() const { return (header[6] & 0x40U) != 0; }
    [[nodiscard]] bool more_fragments() const { return (header[6] & 0x20U) != 0; }
    [[nodiscard]] unsigned offset() const { return (word(header, 6) & 0x1fffU) * 8; }
    [[nodiscard]] unsigned protocol() const { return header[9]; }
    [[nodiscard]] unsigned source() const { return long_word(header, 12); }
    [[nodiscard]] unsigned destination() const { return long_word(header, 16); }
    // The sum of the TCP or UDP pseudo-header.
    [[nodiscard]] unsigned pseudo_sum() const {
        return sum_of(header.subspan(12, 8), protocol() + static_cast<unsigned>(payload.size()));
    }
};
inline std::optional<ReadIp> read_ip(wire::Bytes packet, bool may_be_padded) {
    if (packet.size() < 20 || packet[0] >> 4U != 4) return {};
    const std::size_t header = (packet[0] & 15U) * std::size_t{4};
    const std::size_t total = word(packet, 2);
    if (header < 20 || total < header || total > packet.size() || (total < packet.size() && !may_be_padded)) return {};
    if (sum_of(packet.first(header)) != 0xffff) return {};
    return ReadIp{packet.first(header), packet.subspan(header, total - header)};
}
inline std::size_t link_length(wire::Bytes frame) {
    std::size_t length = 14;
    while (word(frame, length - 2) == 0x8100 || word(frame, length - 2) == 0x88a8)
        length += 4;
    return length;
}
inline bool same(wire::Bytes a, wire::Bytes b) {
    return std::ranges::equal(a, b);
}

// The frames that a driver would send.
inline std::vector<Octets> frames_of(const Packet& packet, std::uint32_t mtu) {
    if (packet.cut == Cut::none) return {{packet.data, packet.data + packet.length}};
    std::vector<Octets> frames;
    Octets scratch(mtu + 22);
    Cutter cutter(packet);
    while (!cutter.done()) {
        const wire::Bytes piece = cutter.next(scratch);
        if (piece.empty()) return {};
        frames.emplace_back(piece.begin(), piece.end());
    }
    return frames;
}

// Each function below says what is wrong; empty: nothing is.

// Payload is the client's, but for a checksum that it left for a network card to finish.
inline std::string fault_in_payload(const ReadIp& before, const Octets& after) {
    if (same(before.payload, after)) return {};
    const bool tcp = before.protocol() == 6;
    const std::size_t at = tcp ? 16 : 6;
    if ((!tcp && before.protocol() != 17) || before.more_fragments() || before.offset() != 0)
        return "payload changed that has no checksum";
    if (after.size() != before.payload.size() || after.size() < at + 2) return "payload has another length";
    Octets expected = after;
    std::copy_n(before.payload.begin() + static_cast<std::ptrdiff_t>(at), 2,
                expected.begin() + static_cast<std::ptrdiff_t>(at));
    if (!same(before.payload, expected)) return "payload changed";
    if (word(before.payload, at) != before.pseudo_sum()) return "a checksum changed that was not left unfinished";
    if (sum_of(after, before.pseudo_sum()) != 0xffff) return "a finished checksum is wrong";
    return {};
}

inline std::string fault_in_outer(const ReadIp& outer, const ReadIp& inner, const Service& service,
                                  const Server& server, const Interface& egress) {
    if (outer.header.size() != 20 || outer.header[8] != 64 || outer.protocol() != 4)
        return "outer length, TTL, protocol";
    if (outer.tos() != inner.tos()) return "outer TOS";
    if (outer.more_fragments() || outer.offset() != 0) return "the outer packet is a fragment";
    if (outer.dont_fragment() != inner.dont_fragment()) return "outer DF";
    if (outer.dont_fragment() && outer.id() != 0) return "outer ID with DF";
    if (outer.destination() != server.address.host()) return "outer destination";
    const auto& prefix = service.outer_source;
    if (prefix.length == 0) return outer.source() == egress.address.address.host() ? "" : "outer source";
    const std::uint32_t number = outer.source() & ~prefix.mask();
    const bool host = (outer.source() & prefix.mask()) == prefix.address.host() && number != 0 &&
                      number != (~std::uint32_t{0} & ~prefix.mask());
    return host ? "" : "outer source outside of the prefix's hosts";
}

inline std::string fault_in_fragments(const ReadIp& before, const std::vector<ReadIp>& pieces) {
    if (before.dont_fragment()) return "cut although DF is set";
    Octets payload;
    for (const ReadIp& piece : pieces) {
        const bool last = &piece == &pieces.back();
        if (piece.id() != before.id() || piece.protocol() != before.protocol() || piece.tos() != before.tos() ||
            piece.header[8] != before.header[8] || piece.source() != before.source() ||
            piece.destination() != before.destination())
            return "a fragment of another packet";
        if (piece.header.size() != before.header.size()) return "a fragment's header has another length";
        if (piece.offset() != before.offset() + payload.size()) return "a fragment's offset";
        if (piece.dont_fragment()) return "a fragment with DF";
        if (piece.more_fragments() != (!last || before.more_fragments())) return "more-fragments flag";
        if (!last && piece.payload.size() % 8 != 0) return "a fragment's length is no multiple of 8";
        payload.insert(payload.end(), piece.payload.begin(), piece.payload.end());
    }
    return fault_in_payload(before, payload);
}

inline std::string fault_in_segments(const ReadIp& before, const std::vector<ReadIp>& pieces) {
    if (before.protocol() != 6 || before.offset() != 0 || before.more_fragments()) return "segments of what is no TCP";
    const std::size_t header = before.payload[12] / 16 * std::size_t{4};
    const wire::Bytes data = before.payload.subspan(header);
    std::size_t sent = 0;
    unsigned index = 0;
    for (const ReadIp& piece : pieces) {
        if (piece.payload.size() <= header || piece.protocol() != 6) return "a segment without data";
        if (sum_of(piece.payload, piece.pseudo_sum()) != 0xffff) return "a segment's checksum";
        if (piece.id() != ((before.id() + index) & 0xffffU)) return "a segment's IP ID";
        if (piece.dont_fragment() != before.dont_fragment() || piece.tos() != before.tos())
            return "a segment's DF, TOS";
        if (!same(piece.header.subspan(12), before.header.subspan(12))) return "a segment's addresses, options";
        if (long_word(piece.payload, 4) != ((long_word(before.payload, 4) + sent) & 0xffffffffU))
            return "a segment's sequence number";
        if (!same(piece.payload.first(4), before.payload.first(4)) ||
            !same(piece.payload.subspan(20, header - 20), before.payload.subspan(20, header - 20)))
            return "a segment's ports, options";
        const wire::Bytes part = piece.payload.subspan(header);
        if (part.size() > data.size() - sent || !same(part, data.subspan(sent, part.size()))) return "a segment's data";
        sent += part.size();
        ++index;
    }
    return sent == data.size() ? "" : "segments carry too little";
}

inline std::string fault_in_forwarded(const ForwardingTable& table, const Packet& packet, wire::Bytes before) {
    const Service& service = table.services.at(packet.service);
    const Server& server = table.servers.at(packet.server);
    const Interface& egress = table.interfaces.at(packet.egress);
    if (!server.keeps_flows() || !server.resolved || server.interface != packet.egress)
        return "not a server to send to";
    const std::size_t link = link_length(before);
    const auto original = read_ip(before.subspan(link), true);
    if (!original) return "a broken IP header was forwarded";
    if (table.service_map.find(wire::Ipv4Address::from_host(original->destination())) == nullptr) return "not a VIP";
    const auto frames = frames_of(packet, egress.mtu);
    if (frames.empty()) return "no frame, or one that does not fit";
    std::vector<ReadIp> pieces;
    for (const Octets& frame : frames) {
        if (!same(wire::Bytes(frame).first(6), server.macs.destination.bytes)) return "destination MAC address";
        if (!same(wire::Bytes(frame).subspan(6, 6), egress.mac.bytes)) return "source MAC address";
        if (!same(wire::Bytes(frame).subspan(12, link - 12), before.subspan(12, link - 12))) return "VLAN tags";
        auto ip = read_ip(wire::Bytes(frame).subspan(link), !service.layer3 && packet.cut == Cut::none);
        if (!ip) return "an IP header is wrong";
        if (ip->header.size() + ip->payload.size() > egress.mtu) return "larger than the egress MTU";
        if (service.layer3) {
            const auto inner = read_ip(ip->payload, false);
            if (!inner) return "an inner IP header is wrong";
            if (auto fault = fault_in_outer(*ip, *inner, service, server, egress); !fault.empty()) return fault;
            ip = inner;
        }
        pieces.push_back(*ip);
    }
    if (packet.cut == Cut::segments) return fault_in_segments(*original, pieces);
    if (packet.cut == Cut::fragments) return fault_in_fragments(*original, pieces);
    if (!same(pieces[0].header, original->header)) return "the client's IP header changed";
    if (!service.layer3 && frames[0].size() != before.size()) return "the frame's length changed";
    return fault_in_payload(*original, {pieces[0].payload.begin(), pieces[0].payload.end()});
}

inline std::string fault_in_answer(const ForwardingTable& table, const Packet& packet, wire::Bytes before) {
    const wire::Bytes after = packet.bytes();
    const std::size_t link = link_length(before);
    if (packet.egress != packet.ingress || packet.cut != Cut::none) return "the answer leaves otherwise than it came";
    if (!same(after.subspan(6, 6), table.interfaces.at(packet.ingress).mac.bytes))
        return "the answer's source MAC address";
    if (!same(after.subspan(12, link - 12), before.subspan(12, link - 12))) return "the answer's VLAN tags";
    if (packet.answer == Answer::arp) return word(after, link + 6) == 2 ? "" : "no ARP reply";

    if (!same(after.first(6), before.subspan(6, 6))) return "the answer's destination MAC address";
    auto question = read_ip(before.subspan(link), true);
    std::size_t quoted_at = link;
    std::size_t quoted_size = question ? question->header.size() + question->payload.size() : 0;
    Octets client_header;
    unsigned told_mtu = 0;
    // A router's error about our own packet, passed on: it is about the client's packet inside, of which a part is
    // there.
    if (question && packet.answer == Answer::fragmentation_needed && packet.service == kNoId) {
        if (question->protocol() != 1 || question->payload.size() < 56 || word(question->payload, 0) != 0x0304)
            return "an answer to no error";
        told_mtu = word(question->payload, 6);
        const std::size_t outer = (question->payload[8] & 15U) * std::size_t{4};
        quoted_at = link + question->header.size() + 8 + outer;
        quoted_size = question->payload.size() - 8 - outer;
        client_header.assign(before.begin() + static_cast<std::ptrdiff_t>(quoted_at),
                             before.begin() + static_cast<std::ptrdiff_t>(quoted_at) + 20);
        question = ReadIp{client_header, {}};
        if (table.service_map.find(wire::Ipv4Address::from_host(question->destination())) == nullptr)
            return "an answer about a packet to no VIP";
    }
    const auto answer = read_ip(after.subspan(link), true);
    if (!question || !answer || answer->payload.size() < 8 || answer->protocol() != 1) return "the answer is no ICMP";
    if (answer->source() != question->destination() || answer->destination() != question->source())
        return "the answer's addresses";
    if (answer->header[8] != 64) return "the answer's TTL";
    if (packet.answer == Answer::icmp_echo) {
        if (question->protocol() != 1 || question->payload[0] != 8) return "an answer to what is no ping";
        if (answer->payload[0] != 0 || !same(answer->payload.subspan(4), question->payload.subspan(4)))
            return "the answer is not the ping's";
        return sum_of(answer->payload) % 0xffff == sum_of(question->payload) % 0xffff ? "" : "the answer's checksum";
    }
    if (question->offset() != 0) return "an error about a later fragment";
    if (answer->payload[0] != 3 || answer->payload[1] != 4 || sum_of(answer->payload) != 0xffff)
        return "no right ICMP error";
    if (!same(answer->payload.subspan(8), before.subspan(quoted_at, std::min<std::size_t>(quoted_size, 548))))
        return "the quote";
    const unsigned mtu = word(answer->payload, 6);
    if (told_mtu != 0) return mtu + 20 == told_mtu ? "" : "another MTU than the router told";
    if (!question->dont_fragment()) return "fragmentation needed, but allowed";
    if (mtu >= quoted_size) return "the MTU would have been enough";
    return {};
}

// Runs frames as a worker does, fragments that waited included, and judges what becomes of each.
class Judge {
public:
    explicit Judge(Core& core) : core_(core) {}

    // The first fault of this frame and of those that it set free.
    std::string run(Frame& frame, FlowTime now, std::uint8_t ingress) {
        const std::uint64_t before = ended();
        Packet packet = frame.packet(ingress);
        packet.number = ++given_;
        waiting_[packet.number] = {frame.bytes().begin(), frame.bytes().end()};
        forward(*core_.table, now, {&packet, 1}, core_.state);
        if (auto fault = end(packet); !fault.empty()) return fault;
        if (packet.verdict != Verdict::held && ended() != before + 1) return "not counted once";
        return release(now);
    }
    // Fragments that wait are given up; all that was given has then ended.
    std::string finish(FlowTime now) {
        core_.state.fragments.expire_all();
        if (auto fault = release(now); !fault.empty()) return fault;
        if (!waiting_.empty() || core_.state.fragments.held() != 0) return "a fragment was lost";
        return core_.conserved() ? "" : "received is not the sum of all ends";
    }

    // How many packets were forwarded, by Cut.
    [[nodiscard]] const std::array<std::uint64_t, 3>& forwarded() const { return forwarded_; }

private:
    std::string release(FlowTime now) {
        if (!core_.state.fragments.any_to_take(now)) return {};
        std::array<Packet, kBurstSize> packets;
        while (const std::size_t count = core_.state.fragments.take(packets, now)) {
            forward(*core_.table, now, std::span(packets).first(count), core_.state);
            for (std::size_t i = 0; i < count; ++i)
                if (auto fault = end(packets[i]); !fault.empty()) return fault;
        }
        return {};
    }

    std::string end(const Packet& packet) {
        core_.counters.account(packet);
        const auto found = waiting_.find(packet.number);
        if (found == waiting_.end()) return "a packet ended twice";
        const Octets before = found->second;
        if (packet.verdict != Verdict::held) waiting_.erase(found);
        if (packet.verdict == Verdict::forwarded) {
            ++forwarded_.at(static_cast<std::size_t>(packet.cut));
            return fault_in_forwarded(*core_.table, packet, before);
        }
        if (packet.verdict == Verdict::answered) return fault_in_answer(*core_.table, packet, before);
        return packet.data == nullptr || same(packet.bytes(), before) ? "" : "changed, but not sent";
    }

    [[nodiscard]] std::uint64_t ended() const { return core_.counters.received.get(); }

    Core& core_;
    std::uint32_t given_ = 0;
    std::array<std::uint64_t, 3> forwarded_{};
    std::map<std::uint32_t, Octets> waiting_;  // as received, by number
};

}  // namespace dsr::lb::test
