// HTTP on the control thread: the same read-only JSON on the control socket and on a TCP address. Hides libmicrohttpd.
// Knows nothing of what the documents say.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"

namespace dsr::lb {

struct HttpResponse {
    unsigned status = 200;
    std::string body;
};

class ApiServer {
public:
    // `path` without query, for example "/api/v1/counters".
    using Handler = std::function<HttpResponse(std::string_view path)>;

    virtual ~ApiServer() = default;

    // Listens on a Unix socket (mode 0660, group dsr if there is one; its directory is made if missing; a socket that a
    // dead process left is replaced). Errors: a live process answers there already.
    static Result<std::unique_ptr<ApiServer>> on_unix_socket(const std::string& path, Handler handler);
    // Listens on 'ADDRESS:PORT'.
    static Result<std::unique_ptr<ApiServer>> on_tcp(const std::string& address, Handler handler);

    // Readable when serve() has something to do; serve() must also be called once a second for timeouts.
    [[nodiscard]] virtual int fd() const = 0;
    virtual void serve() = 0;
};

}  // namespace dsr::lb
