#include "static_files.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <system_error>

#include "http_text.hpp"
#include "parley/obs/log.hpp"

namespace parley::net {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlaceholder = "__PARLEY_KEY__";
constexpr const char* kConsolePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; font-src "
    "'self'; frame-ancestors 'none'";
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; font-src "
    "'self'; base-uri 'none'; form-action 'none'";
constexpr const char* kMissing =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Parley</title><h1>The pages are not installed</h1>"
    "<p>The server runs, but its built pages were not found. Build them (npm run build in src/web) and set "
    "server.web_root to that folder.</p></html>";

std::string type_of(const fs::path& file) {
  static const std::map<std::string, std::string> kTypes = {{".js", "text/javascript; charset=utf-8"},
                                                            {".mjs", "text/javascript; charset=utf-8"},
                                                            {".css", "text/css; charset=utf-8"},
                                                            {".html", "text/html; charset=utf-8"},
                                                            {".json", "application/json"},
                                                            {".map", "application/json"},
                                                            {".svg", "image/svg+xml"},
                                                            {".png", "image/png"},
                                                            {".jpg", "image/jpeg"},
                                                            {".webp", "image/webp"},
                                                            {".avif", "image/avif"},
                                                            {".gif", "image/gif"},
                                                            {".ico", "image/x-icon"},
                                                            {".woff2", "font/woff2"},
                                                            {".mp3", "audio/mpeg"},
                                                            {".ogg", "audio/ogg"},
                                                            {".wav", "audio/wav"},
                                                            {".txt", "text/plain; charset=utf-8"},
                                                            {".webmanifest", "application/manifest+json"}};
  const auto found = kTypes.find(lower(file.extension().string()));
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

std::shared_ptr<const std::string> content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return nullptr;
  return std::make_shared<const std::string>(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

bool starts_with_folder(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

}  // namespace

StaticFiles::StaticFiles(const fs::path& root) {
  std::error_code ec;
  std::size_t bytes = 0;
  for (fs::recursive_directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec)) {
    if (!it->is_regular_file(ec)) continue;
    const fs::path& path = it->path();
    const std::string relative = path.lexically_relative(root).generic_string();
    if (relative.starts_with('.')) continue;
    std::shared_ptr<const std::string> content = content_of(path);
    if (!content) continue;
    bytes += content->size();
    const bool br = relative.ends_with(".br");
    const bool gz = relative.ends_with(".gz");
    File& file = files_["/" + (br || gz ? relative.substr(0, relative.size() - 3) : relative)];
    if (br) {
      file.br = std::move(content);
    } else if (gz) {
      file.gz = std::move(content);
    } else {
      file.etag = fmt::format("\"{:016x}\"", XXH3_64bits(content->data(), content->size()));
      file.type = type_of(path);
      file.plain = std::move(content);
    }
  }
  std::erase_if(files_, [](const auto& entry) {
    return !entry.second.plain;
  });  // a compressed file alone cannot be served to everybody
  present_ = !files_.empty();
  if (present_) {
    log::info("pages_loaded", "files={} bytes={} folder={}", files_.size(), bytes, log::quote(root.string()));
  } else {
    log::warn("pages_missing", "folder={} remedy=\"build src/web and set server.web_root\"", log::quote(root.string()));
  }
}

const StaticFiles::File* StaticFiles::find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

HttpResponse StaticFiles::missing() {
  HttpResponse response;
  response.status = 503;
  response.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Content-Security-Policy", "default-src 'none'");
  response.body = kMissing;
  return response;
}

HttpResponse StaticFiles::answer(const HttpRequest& request, const File& file) {
  HttpResponse response;
  const std::string_view accepted = request.header("Accept-Encoding");
  std::string etag = file.etag;
  const auto encode = [&](const std::shared_ptr<const std::string>& bytes, const char* coding) {
    response.shared_body = bytes;
    response.headers.emplace_back("Content-Encoding", coding);
    etag.insert(etag.size() - 1, std::string("-") + coding);  // each representation has a tag of its own
  };
  if (file.br && accepts_encoding(accepted, "br")) {
    encode(file.br, "br");
  } else if (file.gz && accepts_encoding(accepted, "gzip")) {
    encode(file.gz, "gzip");
  } else {
    response.shared_body = file.plain;
  }
  response.headers.emplace_back("Content-Type", file.type);
  response.headers.emplace_back("ETag", etag);
  if (file.br || file.gz) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (matches_etag(request.header("If-None-Match"), etag)) {
    response.status = 304;
    response.shared_body = nullptr;
  }
  return response;
}

std::optional<HttpResponse> StaticFiles::serve(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  const std::string& path = request.path;
  const bool console = starts_with_folder(path, "/console");
  const bool asset = starts_with_folder(path, "/assets");
  const bool loader = path == "/widget.js";
  if (path == "/" || path == "/console") {
    HttpResponse redirect;
    redirect.status = 302;
    redirect.headers.emplace_back("Location", "/console/");
    return redirect;
  }
  if (!console && !asset && !loader) return std::nullopt;
  if (!present_) return missing();
  const bool console_asset = starts_with_folder(path, "/console/assets");
  const File* file = find(path);
  if (file == nullptr && console && !console_asset)
    file = find("/console/index.html");  // an address inside the console: its own router shows the place
  if (file == nullptr) return HttpResponse::problem(404, "not_found", "There is no such file.");
  HttpResponse response = answer(request, *file);
  if (asset || console_asset) {
    response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
  } else {
    response.headers.emplace_back("Cache-Control", loader ? "public, max-age=600" : "no-cache");
  }
  if (console) {
    response.headers.emplace_back("Content-Security-Policy", kConsolePolicy);
  } else {
    response.headers.emplace_back("Access-Control-Allow-Origin", "*");
    response.headers.emplace_back("Cross-Origin-Resource-Policy", "cross-origin");
  }
  return response;
}

std::optional<std::string> StaticFiles::page_slug(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (request.path == "/demo" || request.path == "/demo/") return std::string();
  if (!request.path.starts_with("/chat/")) return std::nullopt;
  std::string slug = request.path.substr(6);
  if (slug.ends_with('/')) slug.pop_back();
  if (slug.empty() || slug.find('/') != std::string::npos) return std::nullopt;
  return slug;
}

HttpResponse StaticFiles::page(std::string_view slug, const std::optional<std::string>& key) const {
  if (!present_) return missing();
  const File* file = find(slug.empty() ? "/demo.html" : "/chat.html");
  if (file == nullptr || !key) return HttpResponse::problem(404, "not_found", "There is no such page.");
  HttpResponse response;
  response.headers.emplace_back("Content-Type", file->type);
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.headers.emplace_back("Content-Security-Policy", kPagePolicy);
  response.body = *file->plain;
  for (std::size_t at = response.body.find(kPlaceholder); at != std::string::npos;
       at = response.body.find(kPlaceholder, at + key->size())) {
    response.body.replace(at, kPlaceholder.size(), *key);
  }
  return response;
}

}  // namespace parley::net
