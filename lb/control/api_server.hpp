// HTTP on the control thread: the same JSON documents on the control socket and on a TCP address; commands on the
// control socket only. Hides libmicrohttpd. Knows nothing of what documents and commands say.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::lb {

struct HttpRequest {
    bool command = false;                          // POST; else GET
    std::string path;                              // without query, for example "/api/v1/counters"
    std::map<std::string, std::string> arguments;  // of the query, decoded
};

struct HttpResponse {
    unsigned status = 200;
    std::string body;
};

class ApiServer {
public:
    using Handler = std::function<HttpResponse(const HttpRequest& request)>;

    virtual ~ApiServer() = default;

    // Listens on a Unix socket (mode 0660, group dsr if there is one; its directory is made if missing; a socket that a
    // dead process left is replaced). Errors: a live process answers there already.
    static Result<std::unique_ptr<ApiServer>> on_unix_socket(const std::string& path, Handler handler);
    // Listens on 'ADDRESS:PORT'. Refuses commands: nobody there has shown who they are.
    static Result<std::unique_ptr<ApiServer>> on_tcp(const std::string& address, Handler handler, bool may_be_absent);

    // Readable when serve() has something to do; serve() must also be called once a second for timeouts.
    [[nodiscard]] virtual int fd() const = 0;
    virtual void serve() = 0;
};

}  // namespace dsr::lb
