#include "serverprep/kernel/linux_kernel.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sys/netlink/inet_conf.hpp"
#include "common/sys/netlink/nftables.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/sys/netlink/traffic_control.hpp"
#include "serverprep/kernel/bpf_filters.hpp"
#include "serverprep/kernel/ipip_support.hpp"
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

    Result<std::vector<netlink::Tunnel>> tunnels() override { return netlink::tunnels(socket_); }
    bool has_ipip() override { return kernel_has_ipip(); }
    bool has_bpf() override { return bpf_in_this_build(); }
    Result<std::vector<Filter>> filters() override { return installed_filters(); }
    Result<std::vector<FilterCounters>> counters() override { return filter_counters(); }
    Result<std::vector<Clsact>> clsacts() override { return clsact_links(socket_); }

    Result<std::vector<netlink::Listener>> listeners() override {
        auto socket = netlink::Socket::open(netlink::Family::sock_diag);
        if (!socket) return std::unexpected(socket.error());
        return netlink::listeners(*socket);
    }

    PacketFilterText packet_filter() override {
        PacketFilterText text = read_packet_filter();
        // Without any table there is nothing to look at, and no program needed for it.
        const auto tables = netlink::nftables_tables();
        if (tables && *tables && **tables == 0)
            std::erase_if(text.not_looked, [](const NotLooked& entry) {
                return entry.not_installed && entry.source != FilterSource::iptables_legacy;
            });
        return text;
    }

    netlink::RouteLookup lookup(const netlink::RouteQuery& query) override {
        return netlink::route_lookup(socket_, query);
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

    Result<void> add(const std::string& link, const netlink::Address& address) override {
        return on_link(link, [&](int index) { return netlink::add_address(socket_, at(index, address)); });
    }
    Result<void> remove(const std::string& link, const netlink::Address& address) override {
        return on_link(link, [&](int index) { return netlink::delete_address(socket_, at(index, address)); });
    }
    Result<void> add(const netlink::Tunnel& tunnel) override {
        const auto made = netlink::add_tunnel(socket_, tunnel);
        if (!made) return std::unexpected(made.error());
        return {};
    }
    Result<void> remove(const netlink::Tunnel& tunnel) override {
        return on_link(tunnel.name, [&](int index) { return netlink::delete_link(socket_, index); });
    }
    Result<void> add_clsact(const std::string& link) override {
        return on_link(link, [&](int index) { return netlink::add_clsact(socket_, index); });
    }
    Result<void> remove_clsact(const std::string& link) override {
        return on_link(link, [&](int index) { return netlink::remove_clsact(socket_, index); });
    }
    Result<void> install(const Filter& filter) override { return install_filter(filter); }
    Result<void> uninstall(const Filter& filter) override { return uninstall_filter(filter.role, filter.link); }

private:
    static netlink::Address at(int link_index, netlink::Address address) {
        address.link_index = link_index;
        return address;
    }

    template <typename Deed>
    Result<void> on_link(const std::string& name, const Deed& deed) {
        const auto link = link_called(name);
        if (!link) return std::unexpected(link.error());
        return deed(link->index);
    }

    Result<netlink::Link> link_of(const Setting& setting) { return link_called(setting.where); }

    Result<netlink::Link> link_called(const std::string& name) {
        auto found = netlink::find_link(socket_, name);
        if (!found) return std::unexpected(found.error());
        auto link = std::move(*found);
        if (!link) return fail(fmt::format("there is no link '{}' any more", name));
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
