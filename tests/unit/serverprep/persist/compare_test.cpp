#include "serverprep/persist/compare.hpp"

#include <catch2/catch.hpp>

#include "example.hpp"
#include "serverprep/persist/install.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace dsr::serverprep::persist;

namespace {

const Systemctl kNoSystemctl = [](const std::vector<std::string>&) { return Result<void>{}; };

std::vector<Flaw> flaws(const TestRoot& root, InitSystem init = InitSystem::systemd) {
    auto found = compare(example(), init, root.path());
    REQUIRE(found.has_value());
    return *found;
}

void install_example(const TestRoot& root, InitSystem init = InitSystem::systemd) {
    REQUIRE(install(example(), init, kNoSystemctl, root.path()).has_value());
}

}  // namespace

TEST_CASE("what was just installed survives") {
    const TestRoot root;
    install_example(root);
    CHECK(flaws(root).empty());
}

TEST_CASE("before installing every file is missing") {
    const TestRoot root;
    CHECK(flaws(root).size() == 3);
}

TEST_CASE("a unit that is not enabled is named") {
    const TestRoot root;
    install_example(root);
    std::filesystem::remove(root / kUnitLink);
    const auto found = flaws(root);
    REQUIRE(found.size() == 1);
    CHECK(found[0].message.contains("is not enabled"));
    CHECK_FALSE(found[0].needs_user);
}

TEST_CASE("an edited file needs the user, an outdated one does not") {
    const TestRoot root;
    install_example(root);
    root.write(kSysctlFile, sealed("# old\nnet/ipv4/ip_forward = 1\n"));
    auto found = flaws(root);
    REQUIRE(found.size() == 1);
    CHECK_FALSE(found[0].needs_user);
    root.write(kSysctlFile, "net/ipv4/ip_forward = 1\n");
    found = flaws(root);
    REQUIRE(found.size() == 1);
    CHECK(found[0].needs_user);
}

TEST_CASE("a later sysctl.d file that says otherwise is named with its line, an earlier one is not") {
    const TestRoot root;
    install_example(root);
    root.write("/etc/sysctl.d/99-before.conf", "net.ipv4.conf.all.arp_ignore=0\n");
    CHECK(flaws(root).empty());
    root.write("/usr/lib/sysctl.d/zzz-after.conf", "# ours\n\nnet.ipv4.conf.all.arp_ignore=0\n");
    const auto found = flaws(root);
    REQUIRE(found.size() == 1);
    CHECK(found[0].path == "/usr/lib/sysctl.d/zzz-after.conf");
    CHECK(found[0].line == 3);
    CHECK(found[0].needs_user);
    CHECK(found[0].message.contains("net.ipv4.conf.all.arp_ignore to 0"));
}

TEST_CASE("a file masked by one of the same name in /etc does not count") {
    const TestRoot root;
    install_example(root);
    root.write("/usr/lib/sysctl.d/zzz-after.conf", "net.ipv4.conf.all.arp_ignore=0\n");
    std::filesystem::create_symlink("/dev/null", root / "/etc/sysctl.d/zzz-after.conf");
    CHECK(flaws(root).empty());
}

TEST_CASE("/etc/sysctl.conf is read last by procps, but before our file by systemd") {
    const TestRoot root;
    root.write("/sbin/ifup", "");
    root.write("/etc/sysctl.conf", "net.ipv4.conf.all.arp_ignore=0\n");
    std::filesystem::create_directories(root / "/etc/sysctl.d");
    std::filesystem::create_symlink("../sysctl.conf", root / "/etc/sysctl.d/99-sysctl.conf");
    install_example(root);
    CHECK(flaws(root).empty());
    install_example(root, InitSystem::ifupdown);
    CHECK(flaws(root, InitSystem::ifupdown).size() == 1);
}

TEST_CASE("a .network file counts only where networkd is enabled") {
    const TestRoot root;
    install_example(root);
    root.write("/etc/systemd/network/10.network", "[Match]\nName=eth0.5\n[Network]\nIPv4ReversePathFilter=strict\n");
    CHECK(flaws(root).empty());
    root.write("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "");
    const auto found = flaws(root);
    REQUIRE(found.size() == 1);
    CHECK(found[0].path == "/etc/systemd/network/10.network");
    CHECK(found[0].line == 4);
}

TEST_CASE("up commands of ifupdown are named where it is installed") {
    const TestRoot root;
    install_example(root);
    root.write("/etc/network/interfaces.d/eth0",
               "iface eth0.5 inet dhcp\n  up sysctl -w net.ipv4.conf.eth0/5.rp_filter=1\n");
    CHECK(flaws(root).empty());
    root.write("/usr/sbin/ifup", "");
    CHECK(flaws(root).size() == 1);
}
