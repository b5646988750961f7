// The kernel's interfaces: those that driver pcap opens, and what holds for the ones below DPDK's devices too.
#include <algorithm>

#include "lb/doctor/case.hpp"

namespace dsr::lb::doctor {
namespace {

std::string known_links(const Case& host) {
    std::string names;
    for (const auto& each : host.seen.links)
        names += (names.empty() ? "" : ", ") + each.link.name;
    return names;
}

const netlink::Address* first_address(const Case& host, const netlink::Link& link) {
    const auto found = std::ranges::find(host.seen.addresses, link.index, &netlink::Address::link_index);
    return found == host.seen.addresses.end() ? nullptr : &*found;
}

void judge_address(const Case& host, const config::Interface& interface, const netlink::Link& link) {
    if (interface.address || first_address(host, link) != nullptr) return;
    host.out.error("no-address", link.name, "the interface has no IPv4 address, and the file gives none",
                   "ip address add ADDRESS/LENGTH dev " + link.name + ", or 'address' in the configuration");
}

void judge_ethernet(const Case& host, const config::Interface& interface, const netlink::Link& link) {
    if (interface.mac || !link.mac.is_zero()) return;
    host.out.error("not-ethernet", link.name, "the interface has no MAC address: lb works on Ethernet",
                   "name an Ethernet interface; this host has: " + known_links(host));
}

// UDP super-frames arise only where GRO is on at all. What they were joined from cannot be told any more.
void judge_udp_joining(const Case& host, const KernelLink& each) {
    if (!each.features.contains("rx-gro")) return;
    for (const char* feature : {"rx-udp-gro-forwarding", "rx-gro-list"})
        if (each.features.contains(feature))
            host.out.warning("udp-gro", each.link.name,
                             std::string(feature) +
                                 " joins UDP datagrams, which cannot be told apart again: lb drops them "
                                 "(udp_super_frame)",
                             switch_off(each, {feature}));
}

void judge_lro(const Case& host, const KernelLink& each) {
    if (!each.features.contains("rx-lro")) return;
    host.out.warning(
        "lro", each.link.name,
        "large receive offload joins TCP segments without keeping what they were: it is not for hosts that "
        "forward",
        switch_off(each, {"rx-lro"}));
}

std::string carrier_text(const KernelLink& each) {
    return "up, with a carrier, MTU " + std::to_string(each.link.mtu);
}

void judge_pcap_interface(const Case& host, const config::Interface& interface) {
    const KernelLink* each = judge_link(host, interface.name);
    if (each == nullptr) return;
    judge_ethernet(host, interface, each->link);
    judge_address(host, interface, each->link);
    const auto before = host.out.findings.size();
    judge_udp_joining(host, *each);
    judge_lro(host, *each);
    if (host.out.findings.size() == before)
        host.out.fine(interface.name, "offloads: no UDP GRO, no LRO; TCP super-frames are cut by lb itself");
}

}  // namespace

const KernelLink* judge_link(const Case& host, const std::string& name) {
    const KernelLink* each = host.link(name);
    if (each == nullptr) {
        host.out.error("interface-missing", name, "the interface does not exist",
                       "name one that does; this host has: " + known_links(host));
        return nullptr;
    }
    if (!each->link.up)
        host.out.error("interface-down", name, "the interface is down", "ip link set " + name + " up");
    else if (!each->link.running)
        host.out.error("no-carrier", name, "the interface has no carrier: nothing arrives by it",
                       "plug in the cable, or bring up the other end");
    else
        host.out.fine(name, carrier_text(*each));
    return each;
}

void judge_same_mac_and_mtu(const Case& host, const config::Interface& interface, const KernelLink& each) {
    const std::string& name = each.link.name;
    if (interface.mac && *interface.mac != each.link.mac)
        host.out.error("mac-differs", name,
                       "the file gives " + wire::to_string(*interface.mac) + " to interface '" + interface.name +
                           "', the kernel has " + wire::to_string(each.link.mac) +
                           ": what is sent to the one does not reach the other",
                       "mac: " + wire::to_string(each.link.mac) + " in the configuration, or: ip link set " + name +
                           " address " + wire::to_string(*interface.mac));
    if (!interface.mtu || *interface.mtu == each.link.mtu) return;
    const std::string message = "the file gives MTU " + std::to_string(*interface.mtu) + " to interface '" +
                                interface.name + "', the kernel has " + std::to_string(each.link.mtu);
    const std::string fix = "ip link set " + name + " mtu " + std::to_string(*interface.mtu) +
                            ", or mtu: " + std::to_string(each.link.mtu) + " in the configuration";
    if (*interface.mtu > each.link.mtu)
        host.out.error("mtu-differs", name, message + ": larger packets than that are lost", fix);
    else
        host.out.warning("mtu-differs", name, message + ": larger packets may arrive than lb is told", fix);
}

std::string switch_off(const KernelLink& each, const std::vector<std::string>& features) {
    std::string command;
    std::string fixed;
    for (const auto& feature : features)
        if (each.fixed.contains(feature))
            fixed += (fixed.empty() ? "" : ", ") + feature;
        else
            command += " " + feature + " off";
    if (!command.empty()) command = "ethtool -K " + each.link.name + command;
    if (fixed.empty()) return command;
    return command + (command.empty() ? "" : "; ") + fixed +
           " cannot be switched off here: use another interface, or switch it off at the other end (the hypervisor)";
}

void judge_pcap_interfaces(const Case& host) {
    for (const auto& interface : host.interfaces())
        judge_pcap_interface(host, interface);
}

}  // namespace dsr::lb::doctor
