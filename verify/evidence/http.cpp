#include "verify/evidence/http.hpp"

#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

namespace dsr::verify {
namespace {

struct Cleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* user) {
    static_cast<std::string*>(user)->append(data, size * count);
    return size * count;
}

}  // namespace

bool is_url(const std::string& base) {
    return base.starts_with("unix:/") || base.starts_with("http://") || base.starts_with("https://");
}

Result<std::string> http_get(const std::string& base, const std::string& path, std::chrono::milliseconds timeout) {
    const bool is_unix = base.starts_with("unix:/");
    if (!is_url(base))
        return fail(fmt::format("'{}' is no URL of a load balancer: write http://HOST:PORT or unix:/PATH", base));
    const std::unique_ptr<CURL, Cleanup> handle(curl_easy_init());
    if (!handle) return fail("libcurl cannot be initialised");
    std::string url = is_unix ? "http://localhost" : base;
    while (url.ends_with('/'))
        url.pop_back();
    url += path;
    std::string body;
    char words[CURL_ERROR_SIZE] = "";
    CURL* curl = handle.get();
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    if (is_unix) curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, base.c_str() + std::string_view("unix:").size());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");  // the load balancer is asked itself, whatever the environment says
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (const CURLcode code = curl_easy_perform(curl); code != CURLE_OK)
        return fail(fmt::format(
            "the load balancer at '{}' cannot be asked: {}; {}", base,
            words[0] != '\0' ? words : curl_easy_strerror(code),
            is_unix ? fmt::format("is lb running, with '{}' as its 'control_socket', and may this user open it?",
                                  base.substr(std::string_view("unix:").size()))
                    : std::string("is lb running, and does its 'http' listen on that address? (the default is "
                                  "127.0.0.1:9420, its own host only)")));
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return fail(fmt::format("the load balancer at '{}' answers HTTP status {}", base, status));
    return body;
}

}  // namespace dsr::verify
