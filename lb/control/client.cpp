#include "lb/control/client.hpp"

#include <memory>

#include <curl/curl.h>
#include <unistd.h>

namespace dsr::lb {
namespace {

constexpr long kTimeout = 30;  // seconds; a reload waits at most one for new servers, and builds tables
constexpr std::size_t kLargestAnswer = std::size_t{256} << 20U;

struct Close {
    void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
struct FreeText {
    void operator()(char* text) const { ::curl_free(text); }
};

std::size_t take(const char* bytes, std::size_t size, std::size_t count, void* body) {
    auto& text = *static_cast<std::string*>(body);
    if (text.size() + size * count > kLargestAnswer) return 0;
    text.append(bytes, size * count);
    return size * count;
}

Error not_reached(const std::string& socket, CURLcode code) {
    const std::string subject = "the control socket '" + socket + "'";
    if (::access(socket.c_str(), F_OK) != 0) return {subject + " is not there: is lb running?"};
    if (::access(socket.c_str(), W_OK) != 0)
        return {"no permission for " + subject + ": be root or a member of the group dsr"};
    if (code == CURLE_COULDNT_CONNECT) return {"nobody listens on " + subject + ": is lb running?"};
    return {"lb does not answer on " + subject + ": " + ::curl_easy_strerror(code)};
}

}  // namespace

Result<ControlAnswer> ask(const std::string& socket, const std::string& path, bool command,
                          const std::map<std::string, std::string>& arguments) {
    const std::unique_ptr<CURL, Close> curl(::curl_easy_init());
    if (!curl) return fail("libcurl cannot be used");
    std::string url = "http://lb" + path;
    for (char separator = '?'; const auto& [name, value] : arguments) {
        const std::unique_ptr<char, FreeText> escaped(
            ::curl_easy_escape(curl.get(), value.c_str(), static_cast<int>(value.size())));
        url += separator + name + "=" + (escaped ? escaped.get() : "");
        separator = '&';
    }
    ControlAnswer answer;
    ::curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
    ::curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    ::curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
    ::curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTimeout);
    ::curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take);
    ::curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
    if (command) {
        ::curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
        ::curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, 0L);
    }
    if (const CURLcode code = ::curl_easy_perform(curl.get()); code != CURLE_OK)
        return std::unexpected(not_reached(socket, code));
    ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

}  // namespace dsr::lb
