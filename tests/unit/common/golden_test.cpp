// Every frame of tests/packet/golden.json, made and read by scapy: our parser must read the same fields, and our
// builder must make the same bytes from them.
#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/wire/build.hpp"
#include "common/wire/parse.hpp"

using namespace dsr::wire;
using nlohmann::json;

namespace {

using Buffer = std::vector<std::uint8_t>;

json golden() {
    std::ifstream in(DSR_TEST_DATA "/packet/golden.json");
    REQUIRE(in.good());
    return json::parse(in);
}

std::string to_hex(Bytes bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const auto byte : bytes) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 15U];
    }
    return text;
}

Buffer from_hex(const std::string& text) {
    Buffer bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

void describe_rest(Bytes bytes, json& layers) {
    if (!bytes.empty()) layers.push_back({{"layer", "payload"}, {"bytes", to_hex(bytes)}});
}

void describe_tcp(Bytes segment, json& layers) {
    const auto tcp = parse_tcp(segment);
    REQUIRE(tcp);
    const TcpHeader& header = *tcp->header;
    layers.push_back({{"layer", "tcp"},
                      {"source_port", header.source_port.host()},
                      {"destination_port", header.destination_port.host()},
                      {"sequence", header.sequence.host()},
                      {"acknowledgment", header.acknowledgment.host()},
                      {"flags", header.flags},
                      {"window", header.window.host()},
                      {"options", to_hex(tcp->options)}});
    describe_rest(tcp->payload, layers);
}

void describe_udp(Bytes datagram, json& layers) {
    const auto udp = parse_udp(datagram);
    REQUIRE(udp);
    const UdpHeader& header = *udp->header;
    layers.push_back({{"layer", "udp"},
                      {"source_port", header.source_port.host()},
                      {"destination_port", header.destination_port.host()},
                      {"length", header.length.host()},
                      {"has_checksum", header.checksum.host() != 0}});
    describe_rest(udp->payload, layers);
}

void describe_icmp(Bytes message, json& layers) {
    const auto icmp = parse_icmp(message);
    REQUIRE(icmp);
    const IcmpHeader& header = *icmp->header;
    CHECK(checksum_valid(message));
    layers.push_back({{"layer", "icmp"},
                      {"type", header.type},
                      {"code", header.code},
                      {"rest_high", header.rest_high.host()},
                      {"rest_low", header.rest_low.host()}});
    describe_rest(icmp->payload, layers);
}

// Returns how many bytes of `packet` belong to it; the rest is padding.
std::size_t describe_ipv4(Bytes packet, json& layers) {
    const auto ip = parse_ipv4(packet);
    REQUIRE(ip);
    const Ipv4Header& header = *ip->header;
    CHECK(verify_ipv4_checksum(*ip));
    layers.push_back({{"layer", "ipv4"},
                      {"source", to_string(header.source)},
                      {"destination", to_string(header.destination)},
                      {"protocol", header.protocol},
                      {"ttl", header.ttl},
                      {"tos", header.tos},
                      {"id", header.id.host()},
                      {"dont_fragment", header.dont_fragment()},
                      {"more_fragments", header.more_fragments()},
                      {"fragment_offset", header.fragment_offset()},
                      {"options", to_hex(ip->options)}});
    const bool readable = !header.is_fragment();
    if (readable && header.protocol == kProtocolTcp)
        describe_tcp(ip->payload, layers);
    else if (readable && header.protocol == kProtocolUdp)
        describe_udp(ip->payload, layers);
    else if (readable && header.protocol == kProtocolIcmp)
        describe_icmp(ip->payload, layers);
    else if (readable && header.protocol == kProtocolIpip)
        describe_ipv4(ip->payload, layers);
    else
        describe_rest(ip->payload, layers);
    return header.total_length.host();
}

json describe(Bytes frame) {
    const auto ethernet = parse_ethernet(frame);
    REQUIRE(ethernet);
    json vlans = json::array();
    for (std::size_t i = 0; i < ethernet->tags; ++i)
        vlans.push_back(header_at<VlanTag>(frame, sizeof(EthernetHeader) + i * sizeof(VlanTag)).control.host() &
                        0xfffU);
    json layers = json::array();
    layers.push_back({{"layer", "ethernet"},
                      {"source", to_string(ethernet->header->source)},
                      {"destination", to_string(ethernet->header->destination)},
                      {"vlans", vlans},
                      {"ether_type", ethernet->ether_type}});
    std::size_t used = 0;
    if (ethernet->ether_type == kEtherTypeArp) {
        const auto arp = parse_arp(ethernet->payload);
        REQUIRE(arp);
        layers.push_back({{"layer", "arp"},
                          {"operation", (*arp)->operation.host()},
                          {"sender_mac", to_string((*arp)->sender_mac)},
                          {"sender_address", to_string((*arp)->sender_address)},
                          {"target_mac", to_string((*arp)->target_mac)},
                          {"target_address", to_string((*arp)->target_address)}});
        used = sizeof(ArpHeader);
    } else {
        used = describe_ipv4(ethernet->payload, layers);
    }
    if (used < ethernet->payload.size())
        layers.push_back({{"layer", "padding"}, {"count", ethernet->payload.size() - used}});
    return layers;
}

MacAddress mac(const json& value) {
    const auto parsed = MacAddress::parse(value.get<std::string>());
    REQUIRE(parsed);
    return *parsed;
}

Ipv4Address address(const json& value) {
    const auto parsed = Ipv4Address::parse(value.get<std::string>());
    REQUIRE(parsed);
    return *parsed;
}

void build_layer(FrameBuilder& builder, const json& layer) {
    const auto kind = layer.at("layer").get<std::string>();
    if (kind == "ethernet") {
        builder.ethernet(mac(layer["destination"]), mac(layer["source"]));
        for (const auto& vlan : layer["vlans"])
            builder.vlan(vlan);
    } else if (kind == "arp") {
        builder.arp(layer["operation"], mac(layer["sender_mac"]), address(layer["sender_address"]),
                    mac(layer["target_mac"]), address(layer["target_address"]));
    } else if (kind == "ipv4") {
        const Buffer options = from_hex(layer["options"]);
        builder.ipv4({.source = address(layer["source"]),
                      .destination = address(layer["destination"]),
                      .ttl = layer["ttl"],
                      .tos = layer["tos"],
                      .id = layer["id"],
                      .dont_fragment = layer["dont_fragment"],
                      .more_fragments = layer["more_fragments"],
                      .fragment_offset = layer["fragment_offset"],
                      .options = options,
                      .protocol = layer["protocol"]});
    } else if (kind == "tcp") {
        const Buffer options = from_hex(layer["options"]);
        builder.tcp({.source_port = layer["source_port"],
                     .destination_port = layer["destination_port"],
                     .sequence = layer["sequence"],
                     .acknowledgment = layer["acknowledgment"],
                     .flags = layer["flags"],
                     .window = layer["window"],
                     .options = options});
    } else if (kind == "udp") {
        builder.udp(layer["source_port"], layer["destination_port"]);
    } else if (kind == "icmp") {
        builder.icmp({.type = layer["type"],
                      .code = layer["code"],
                      .rest_high = layer["rest_high"],
                      .rest_low = layer["rest_low"]});
    } else if (kind == "payload") {
        builder.payload(from_hex(layer["bytes"]));
    } else {
        REQUIRE(kind == "padding");
        builder.padding(layer["count"]);
    }
}

}  // namespace

TEST_CASE("our parser reads from every frame what scapy reads") {
    const json entries = golden();
    REQUIRE(entries.size() >= 30);
    for (const auto& entry : entries) {
        INFO(entry["name"].get<std::string>());
        const Buffer frame = from_hex(entry["bytes"]);
        CHECK(describe(frame).dump(1) == entry["layers"].dump(1));
    }
}

TEST_CASE("our builder makes the same bytes as scapy") {
    std::size_t built = 0;
    for (const auto& entry : golden()) {
        if (!entry["buildable"].get<bool>()) continue;
        INFO(entry["name"].get<std::string>());
        Buffer buffer(65536, 0xee);
        FrameBuilder builder(buffer);
        for (const auto& layer : entry["layers"])
            build_layer(builder, layer);
        const auto frame = builder.finish();
        REQUIRE(frame);
        CHECK(to_hex(*frame) == entry["bytes"].get<std::string>());
        ++built;
    }
    CHECK(built >= 25);
}
