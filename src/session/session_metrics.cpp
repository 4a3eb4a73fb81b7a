#include "session_metrics.hpp"

#include "parley/pipeline/pipeline.hpp"

namespace parley::session {

SessionMetrics::SessionMetrics(obs::Registry& r)
    : messages_in(r.counter("parley_session_messages_in_total", "Sends received from clients, repeats included.")),
      messages_out(r.counter("parley_session_messages_out_total", "Entries handed to sessions, one per receiver.")),
      ack_seconds(r.histogram("parley_session_ack_seconds", "From a send's arrival to its ack, durable.")),
      process_seconds(
          r.histogram("message_process_seconds",
                      "From a message's arrival to its hand-over to the journal: decode, checks and pipeline.")),
      duplicates(
          r.counter("parley_session_duplicates_total", "Sends that were repeats and got their first answer again.")),
      refused(r.counter("parley_session_refused_total", "Sends refused for good.")),
      dropped_ephemeral(r.counter("parley_session_dropped_total",
                                  "Frames not delivered, by reason; durable ones are fetched later by their reader.",
                                  {{"reason", "ephemeral"}})),
      dropped_lagging(r.counter("parley_session_dropped_total",
                                "Frames not delivered, by reason; durable ones are fetched later by their reader.",
                                {{"reason", "lagging"}})),
      dropped_hop(r.counter("parley_session_dropped_total",
                            "Frames not delivered, by reason; durable ones are fetched later by their reader.",
                            {{"reason", "mailbox_full"}})),
      frame_errors(r.counter("parley_session_frame_errors_total", "Frames that could not be understood.")),
      resumed_ok(r.counter("parley_session_resumes_total", "Conversations resumed from a client's cursor.",
                           {{"state", "ok"}})),
      resumed_reset(r.counter("parley_session_resumes_total", "Conversations resumed from a client's cursor.",
                              {{"state", "reset"}})),
      tail_hits(r.counter("parley_home_reads_total", "Catch-ups and pages, by where they came from.",
                          {{"source", "memory"}})),
      tail_misses(r.counter("parley_home_reads_total", "Catch-ups and pages, by where they came from.",
                            {{"source", "store"}})) {
  for (const pipeline::Stage& stage : pipeline::all_stages()) {
    stage_seconds.push_back(&r.histogram("parley_pipeline_stage_seconds", "Time in one stage of the pipeline.",
                                         {{"stage", std::string(stage.name)}}));
  }
}

}  // namespace parley::session
