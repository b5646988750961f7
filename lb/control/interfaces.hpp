// Completes the configured interfaces with what the kernel, or a configuration made for replay, says about them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "lb/control/start_error.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb {

struct HostInterface {
    std::string name;
    int index = 0;        // the kernel's, of the interface or its kernel_interface; 0 where it knows none
    Interface interface;  // as the data plane sees it
    std::optional<wire::Ipv4Address> gateway;
    bool gateway_configured = false;  // by the operator, so that it must answer
    std::string kernel_interface;     // dpdk: the kernel's part in it; empty: none
};

// From the running kernel; what the file gives wins. Errors: unknown interface, one that is down or has no IPv4
// address.
std::expected<std::vector<HostInterface>, StartError> interfaces_of_host(netlink::Socket& socket,
                                                                         const config::LoadBalancer& configured);

// From the file alone: address and mac must be given.
Result<std::vector<HostInterface>> interfaces_of_file(const config::LoadBalancer& configured);

// For driver dpdk: from the file, which gives all; `devices` are its interfaces'.
std::vector<HostInterface> interfaces_of_devices(const config::LoadBalancer& configured,
                                                 const std::vector<DpdkDevice>& devices);
// Their `device`s. The error says which is wrong.
Result<std::vector<DpdkDevice>> devices_of(const config::LoadBalancer& configured);

std::vector<Interface> data_plane_interfaces(const std::vector<HostInterface>& interfaces);

}  // namespace dsr::lb
