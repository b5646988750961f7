#include "lb/control/api_server.hpp"

#include <microhttpd.h>
#include <unistd.h>

#include "lb/control/listen_socket.hpp"

namespace dsr::lb {
namespace {

class MicrohttpdServer final : public ApiServer {
public:
    // Takes the listener over. `unlink_path`: removed at the end when not empty.
    static Result<std::unique_ptr<ApiServer>> start(sys::UniqueFd listener, std::string unlink_path,
                                                    bool takes_commands, Handler handler) {
        auto server = std::make_unique<MicrohttpdServer>(std::move(unlink_path), takes_commands, std::move(handler));
        // Bounded in every direction: a client that is stuck or greedy costs one of these connections for a while.
        server->daemon_ = ::MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &MicrohttpdServer::answer,
                                             server.get(), MHD_OPTION_LISTEN_SOCKET, listener.get(),
                                             MHD_OPTION_CONNECTION_LIMIT, 64U, MHD_OPTION_CONNECTION_TIMEOUT, 10U,
                                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, std::size_t{32768}, MHD_OPTION_END);
        if (server->daemon_ == nullptr) return fail("cannot start the HTTP server");
        server->listener_ = std::move(listener);
        return server;
    }

    MicrohttpdServer(std::string unlink_path, bool takes_commands, Handler handler)
        : unlink_path_(std::move(unlink_path)), takes_commands_(takes_commands), handler_(std::move(handler)) {}
    MicrohttpdServer(const MicrohttpdServer&) = delete;
    MicrohttpdServer& operator=(const MicrohttpdServer&) = delete;
    ~MicrohttpdServer() override {
        // Quiesced first: the listening socket is ours to close.
        if (daemon_ != nullptr) {
            ::MHD_quiesce_daemon(daemon_);
            ::MHD_stop_daemon(daemon_);
        }
        if (listener_.valid() && !unlink_path_.empty()) ::unlink(unlink_path_.c_str());
    }

    [[nodiscard]] int fd() const override { return ::MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd; }
    void serve() override { ::MHD_run(daemon_); }

private:
    static MHD_Result answer(void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
                             const char*, std::size_t* upload_size, void** context) {
        static const char seen_headers = 0;
        if (*context == nullptr) {  // the first call is before any body; answer on the second
            *context = const_cast<char*>(&seen_headers);
            return MHD_YES;
        }
        if (*upload_size != 0) {
            *upload_size = 0;
            return MHD_YES;
        }
        HttpResponse response = static_cast<MicrohttpdServer*>(self)->respond(connection, url, method);
        MHD_Response* message =
            ::MHD_create_response_from_buffer(response.body.size(), response.body.data(), MHD_RESPMEM_MUST_COPY);
        ::MHD_add_response_header(message, "Content-Type", "application/json");
        ::MHD_add_response_header(message, "Cache-Control", "no-store");
        const MHD_Result queued = ::MHD_queue_response(connection, response.status, message);
        ::MHD_destroy_response(message);
        return queued;
    }

    HttpResponse respond(MHD_Connection* connection, const char* url, std::string_view method) {
        HttpRequest request{method == "POST", url, {}};
        if (!request.command && method != "GET" && method != "HEAD")
            return {405, R"({"errors": ["only GET and POST are supported"]})"};
        if (request.command && !takes_commands_)
            return {405, R"({"errors": ["commands are taken on the control socket only"]})"};
        ::MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &MicrohttpdServer::note_argument, &request);
        return handler_(request);
    }

    static MHD_Result note_argument(void* request, MHD_ValueKind, const char* key, const char* value) {
        static_cast<HttpRequest*>(request)->arguments[key] = value == nullptr ? "" : value;
        return MHD_YES;
    }

    std::string unlink_path_;
    bool takes_commands_;
    Handler handler_;
    sys::UniqueFd listener_;
    MHD_Daemon* daemon_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::on_unix_socket(const std::string& path, Handler handler) {
    auto listener = listen_unix(path);
    if (!listener) return std::unexpected(listener.error());
    return MicrohttpdServer::start(*std::move(listener), path, true, std::move(handler));
}

Result<std::unique_ptr<ApiServer>> ApiServer::on_tcp(const std::string& address, Handler handler, bool may_be_absent) {
    auto listener = listen_tcp(address, may_be_absent);
    if (!listener) return std::unexpected(listener.error());
    return MicrohttpdServer::start(*std::move(listener), {}, false, std::move(handler));
}

}  // namespace dsr::lb
