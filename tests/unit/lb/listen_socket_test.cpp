#include "lb/control/listen_socket.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

using namespace dsr;
using namespace dsr::lb;

namespace {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = std::filesystem::temp_directory_path() / "dsr-test-XXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file(const char* name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("the control socket's directory is made, and the socket is for owner and group only") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("deep/er/lb.sock");
    const auto listener = listen_unix(path);
    REQUIRE(listener);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0660U);
}

TEST_CASE("a control socket that answers is left alone") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("lb.sock");
    const auto first = listen_unix(path);
    REQUIRE(first);
    const auto second = listen_unix(path);
    REQUIRE_FALSE(second);
    CHECK(second.error().message == "control socket '" + path + "' is in use: another lb is running");
}

TEST_CASE("a control socket that a dead process left is replaced") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("lb.sock");
    {
        REQUIRE(listen_unix(path));
    }
    CHECK(std::filesystem::exists(path));
    CHECK(listen_unix(path));
}

TEST_CASE("a file in the control socket's place is not deleted") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("lb.sock");
    std::ofstream(path) << "precious";
    const auto listener = listen_unix(path);
    REQUIRE_FALSE(listener);
    CHECK(listener.error().message == "control socket '" + path + "': a file that is no socket is in its place");
    CHECK(std::filesystem::file_size(path) == 8);
}

TEST_CASE("an HTTP address that is taken or no address is refused by name") {
    const auto bad = listen_tcp("127.0.0.1:http");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().message == "'127.0.0.1:http' is not ADDRESS:PORT");
    const auto first = listen_tcp("127.0.0.1:47113");
    REQUIRE(first);
    const auto taken = listen_tcp("127.0.0.1:47113");
    REQUIRE_FALSE(taken);
    CHECK(taken.error().message == "cannot listen for HTTP on '127.0.0.1:47113': Address already in use");
    const auto elsewhere = listen_tcp("192.0.2.1:9");
    REQUIRE_FALSE(elsewhere);
    CHECK(elsewhere.error().message == "cannot listen for HTTP on '192.0.2.1:9': Cannot assign requested address");
}
