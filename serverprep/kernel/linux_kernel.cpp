#include "serverprep/kernel/linux_kernel.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sys/netlink/inet_conf.hpp"
#include "common/sys/netlink/socket.hpp"
#include "serverprep/kernel/sysctl.hpp"

namespace dsr::serverprep {
namespace {

std::optional<netlink::InetConf> inet_conf_of(SettingName name) {
    switch (name) {
        case SettingName::arp_ignore:
            return netlink::InetConf::arp_ignore;
        case SettingName::arp_announce:
            return netlink::InetConf::arp_announce;
        case SettingName::rp_filter:
            return netlink::InetConf::rp_filter;
        case SettingName::send_redirects:
            return netlink::InetConf::send_redirects;
        case SettingName::forwarding:
            return netlink::InetConf::forwarding;
        case SettingName::accept_redirects:
            return netlink::InetConf::accept_redirects;
        case SettingName::ip_forward:
        case SettingName::link_up:
        case SettingName::link_arp:
            break;
    }
    return std::nullopt;
}

class LinuxKernel final : public Kernel {
public:
    explicit LinuxKernel(netlink::Socket socket) : socket_(std::move(socket)) {}

    Result<std::vector<netlink::Link>> links() override { return netlink::links(socket_); }
    Result<std::vector<netlink::Address>> addresses() override { return netlink::addresses(socket_); }
    Result<std::vector<netlink::Route>> routes() override { return netlink::routes(socket_); }

    std::optional<int> link_towards(wire::Ipv4Address destination) override {
        const auto found = netlink::route_lookup(socket_, {destination, std::nullopt, std::nullopt});
        if (found.error != 0 || found.type != netlink::kRouteUnicast) return std::nullopt;
        return found.link_index;
    }

    Result<std::uint32_t> read(const Setting& setting) override {
        if (!setting.of_link()) return read_sysctl(setting);
        const auto link = link_of(setting);
        if (!link) return std::unexpected(link.error());
        if (setting.name == SettingName::link_up) return link->up ? 1 : 0;
        if (setting.name == SettingName::link_arp) return link->arp ? 1 : 0;
        return netlink::inet_conf(socket_, link->index, *inet_conf_of(setting.name));
    }

    Result<void> write(const Setting& setting, std::uint32_t value) override {
        if (!setting.of_link()) return write_sysctl(setting, value);
        const auto link = link_of(setting);
        if (!link) return std::unexpected(link.error());
        if (setting.name == SettingName::link_up) return netlink::set_link_up(socket_, link->index, value != 0);
        if (setting.name == SettingName::link_arp) return netlink::set_link_arp(socket_, link->index, value != 0);
        return netlink::set_inet_conf(socket_, link->index, *inet_conf_of(setting.name), value);
    }

    Result<void> add(const netlink::Address& address) override { return netlink::add_address(socket_, address); }
    Result<void> remove(const netlink::Address& address) override { return netlink::delete_address(socket_, address); }

private:
    Result<netlink::Link> link_of(const Setting& setting) {
        auto found = netlink::find_link(socket_, setting.where);
        if (!found) return std::unexpected(found.error());
        auto link = std::move(*found);
        if (!link) return fail(fmt::format("there is no link '{}' any more", setting.where));
        return *std::move(link);
    }

    netlink::Socket socket_;
};

}  // namespace

Result<std::unique_ptr<Kernel>> open_linux_kernel() {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    return std::make_unique<LinuxKernel>(std::move(*socket));
}

bool may_change_network() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return ::geteuid() == 0;
    return (data[0].effective & (1U << CAP_NET_ADMIN)) != 0;
}

}  // namespace dsr::serverprep
