// Whether a kernel can make ipip tunnels, told from the files of a system.
#include "serverprep/kernel/ipip_support.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace dsr::serverprep;
namespace fs = std::filesystem;

namespace {

constexpr const char* kRelease = "6.1.0-38-amd64";

// The files of a system that has nothing but what the test puts there.
class System {
public:
    System() {
        std::string name = (fs::temp_directory_path() / "ipip_support.XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        root_ = name;
    }
    System(const System&) = delete;
    System& operator=(const System&) = delete;
    ~System() { fs::remove_all(root_); }

    void put(const fs::path& path, const std::string& text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    [[nodiscard]] bool has_ipip() const { return kernel_has_ipip(root_, kRelease); }
    [[nodiscard]] const fs::path& root() const { return root_; }

private:
    fs::path root_;
};

// As depmod of Debian 12 and of Debian 13 writes it.
constexpr const char* kDep =
    "kernel/net/ipv4/ip_gre.ko: kernel/net/ipv4/ip_tunnel.ko kernel/net/ipv4/gre.ko\n"
    "kernel/net/ipv4/ipip.ko: kernel/net/ipv4/ip_tunnel.ko kernel/net/ipv4/tunnel4.ko\n"
    "kernel/net/ipv4/tunnel4.ko:\n";
constexpr const char* kDepCompressed = "kernel/net/ipv4/ipip.ko.xz: kernel/net/ipv4/ip_tunnel.ko.xz\n";

}  // namespace

TEST_CASE("a module is named by the path that begins a line only, whole") {
    CHECK(names_module(kDep, "ipip"));
    CHECK(names_module(kDepCompressed, "ipip"));
    CHECK(names_module("kernel/net/ipv4/ipip.ko", "ipip"));
    CHECK(names_module("ipip.ko:\n", "ipip"));
    CHECK_FALSE(names_module(kDep, "ip_tunnel"));  // only others need it
    CHECK_FALSE(names_module(kDep, "ip"));
    CHECK_FALSE(names_module(kDep, "pip"));
    CHECK_FALSE(names_module("kernel/net/ipip/other.ko:\nkernel/net/xipip.ko:\nipip\n", "ipip"));
    CHECK_FALSE(names_module("", "ipip"));
}

TEST_CASE("a system without the module's directory and without lists of modules has no ipip") {
    CHECK_FALSE(System().has_ipip());
}

TEST_CASE("ipip is there when it is loaded, built in or can be loaded") {
    const System loaded;
    fs::create_directories(loaded.root() / "sys/module/ipip");
    CHECK(loaded.has_ipip());

    const System built_in;
    built_in.put(fs::path("lib/modules") / kRelease / "modules.builtin", "kernel/net/ipv4/ipip.ko\n");
    CHECK(built_in.has_ipip());

    const System loadable;
    loadable.put(fs::path("lib/modules") / kRelease / "modules.dep", kDep);
    loadable.put("proc/sys/kernel/modules_disabled", "0\n");
    CHECK(loadable.has_ipip());
}

TEST_CASE("modules of another kernel than the running one count for nothing") {
    const System other;
    other.put("lib/modules/6.1.0-37-amd64/modules.dep", kDep);
    CHECK_FALSE(other.has_ipip());
}

TEST_CASE("a module that may not be loaded any more counts only if it is there already") {
    const System locked;
    locked.put(fs::path("lib/modules") / kRelease / "modules.dep", kDep);
    locked.put("proc/sys/kernel/modules_disabled", "1\n");
    CHECK_FALSE(locked.has_ipip());
    fs::create_directories(locked.root() / "sys/module/ipip");
    CHECK(locked.has_ipip());
}
