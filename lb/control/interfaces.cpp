#include "lb/control/interfaces.hpp"

#include <algorithm>

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"

namespace dsr::lb {
namespace {

Error unknown_interface(netlink::Socket& socket, const std::string& name) {
    std::string known;
    if (const auto links = netlink::links(socket))
        for (const auto& link : *links)
            known += (known.empty() ? "" : ", ") + link.name;
    return {"interface '" + name + "' does not exist; this host has: " + known};
}

std::expected<wire::Ipv4Prefix, StartError> first_address(netlink::Socket& socket, const netlink::Link& link) {
    const auto addresses = netlink::addresses(socket);
    if (!addresses) return host_error(addresses.error());
    const auto found = std::ranges::find(*addresses, link.index, &netlink::Address::link_index);
    if (found == addresses->end())
        return configuration_error(
            {"interface '" + link.name + "' has no IPv4 address; set one, or give 'address' in the configuration"});
    return found->prefix;
}

std::expected<HostInterface, StartError> complete(netlink::Socket& socket, const config::Interface& configured) {
    const auto found = netlink::find_link(socket, configured.name);
    if (!found) return host_error(found.error());
    const std::optional<netlink::Link>& link = *found;
    if (!link) return configuration_error(unknown_interface(socket, configured.name));
    const netlink::Link& kernel = *link;
    if (!kernel.up)
        return host_error(
            {"interface '" + kernel.name + "' is down; bring it up with: ip link set " + kernel.name + " up"});

    HostInterface host{kernel.name, kernel.index, {}, configured.gateway, configured.gateway.has_value(), {}};
    if (configured.address) {
        host.interface.address = *configured.address;
    } else {
        const auto address = first_address(socket, kernel);
        if (!address) return std::unexpected(address.error());
        host.interface.address = *address;
    }
    host.interface.mac = configured.mac.value_or(kernel.mac);
    if (host.interface.mac.is_zero())
        return configuration_error({"interface '" + kernel.name + "' is not an Ethernet interface"});
    host.interface.mtu = configured.mtu.value_or(kernel.mtu);
    host.interface.software_offloads = true;
    if (!host.gateway) {
        const auto gateway = netlink::default_gateway(socket, kernel.index);
        if (!gateway) return host_error(gateway.error());
        host.gateway = *gateway;
    }
    return host;
}

}  // namespace

std::expected<std::vector<HostInterface>, StartError> interfaces_of_host(netlink::Socket& socket,
                                                                         const config::LoadBalancer& configured) {
    std::vector<HostInterface> interfaces;
    for (const auto& interface : configured.interfaces) {
        auto complete_one = complete(socket, interface);
        if (!complete_one) return std::unexpected(complete_one.error());
        interfaces.push_back(*std::move(complete_one));
    }
    return interfaces;
}

Result<std::vector<HostInterface>> interfaces_of_file(const config::LoadBalancer& configured) {
    if (configured.driver == config::Driver::dpdk) {
        const auto devices = devices_of(configured);
        if (!devices) return std::unexpected(devices.error());
        return interfaces_of_devices(configured, *devices);
    }
    std::vector<HostInterface> interfaces;
    for (const auto& interface : configured.interfaces) {
        if (!interface.address || !interface.mac)
            return fail("interface '" + interface.name +
                        "': a replay asks no kernel; give its 'address' and 'mac' in the configuration");
        HostInterface host{interface.name, 0, {}, interface.gateway, interface.gateway.has_value(), {}};
        host.interface = {*interface.mac, *interface.address, interface.mtu.value_or(1500), true};
        interfaces.push_back(host);
    }
    return interfaces;
}

Result<std::vector<DpdkDevice>> devices_of(const config::LoadBalancer& configured) {
    std::vector<DpdkDevice> devices;
    for (const auto& interface : configured.interfaces) {
        auto device = parse_device(interface.device);
        if (!device) return fail("interface '" + interface.name + "': " + device.error().message);
        if (const auto checked = check_arguments(*device); !checked)
            return fail("interface '" + interface.name + "': " + checked.error().message);
        complete_arguments(*device);
        devices.push_back(*std::move(device));
    }
    return devices;
}

std::vector<HostInterface> interfaces_of_devices(const config::LoadBalancer& configured,
                                                 const std::vector<DpdkDevice>& devices) {
    std::vector<HostInterface> interfaces;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const config::Interface& given = configured.interfaces[i];
        const VdevKind* kind = devices[i].kind;
        HostInterface host{given.name, 0, {}, given.gateway, given.gateway.has_value(), given.kernel_interface};
        // The reader has required them.
        host.interface.mac = given.mac.value_or(wire::MacAddress{});
        host.interface.address = given.address.value_or(wire::Ipv4Prefix{{}, 32});
        host.interface.mtu = given.mtu.value_or(host.interface.mtu);
        host.interface.software_offloads = kind != nullptr && kind->software_offloads;
        host.interface.alone = given.kernel_interface.empty() && (kind == nullptr || !kind->shared_with_kernel);
        interfaces.push_back(std::move(host));
    }
    return interfaces;
}

std::vector<Interface> data_plane_interfaces(const std::vector<HostInterface>& interfaces) {
    std::vector<Interface> result;
    for (const auto& host : interfaces)
        result.push_back(host.interface);
    return result;
}

}  // namespace dsr::lb
