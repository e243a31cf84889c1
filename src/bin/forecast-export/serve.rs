//! The command `serve`: a server, and what is registered with it.

#[cfg(feature = "serve")]
pub(crate) use with::serve;
#[cfg(not(feature = "serve"))]
pub(crate) use without::serve;

#[cfg(feature = "serve")]
mod with {
    use super::super::Stop;
    use super::super::args::Global;
    use super::super::failure::Failure;
    use super::super::output;
    use super::super::serve_args::{LogFormat, Register, Serve, ServeCommand};
    use forecast_export::{Choice, ServeOptions, Server, register_forecast};
    use serde_json::json;
    use tracing_subscriber::EnvFilter;

    pub(crate) async fn serve(global: &Global, args: &Serve, stop: &Stop) -> Result<(), Failure> {
        if let Some(ServeCommand::Register(args)) = &args.command {
            return register(global, args).await;
        }
        let stopped = stop.asked();
        log(global, args.log);
        let server = Server::bind(&options(global, args)).await?;
        if global.json {
            output::json(&json!({ "url": server.url() }))?;
        } else {
            output::print(&format!("listening on {}\n", server.url()))?;
        }
        if args.insecure_no_auth && !global.quiet {
            output::note("warning: requests are answered that nobody has signed (--insecure-no-auth)");
        }
        server.run(stopped).await;
        Err(Failure::Ended)
    }

    fn options(global: &Global, args: &Serve) -> ServeOptions {
        let mut options = ServeOptions::new(args.data.clone().unwrap_or_default());
        options.listen = args.listen;
        options.config.clone_from(&args.config);
        options.buckets = args.buckets.iter().cloned().collect();
        options.store = global.store_options();
        options.region.clone_from(&options.store.region);
        options.account.clone_from(&args.account);
        options.parallel_jobs = args.jobs;
        options.max_jobs = args.max_jobs;
        options.part_bytes = args.part_bytes;
        options.assume_roles = args.assume_roles;
        options.insecure_no_auth = args.insecure_no_auth;
        options.tls = args.tls_cert.clone().zip(args.tls_key.clone());
        options.max_connections = args.max_connections;
        options
    }

    /// Everything that is logged goes to standard error. `RUST_LOG` chooses what.
    fn log(global: &Global, format: LogFormat) {
        let level = match (global.quiet, global.verbose) {
            (true, _) => "error",
            (_, true) => "debug",
            _ => "info",
        };
        let default = format!("warn,forecast_export={level}");
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A second server in this process shares the first one's log.
        let _ = match format {
            LogFormat::Text => log.with_ansi(false).try_init(),
            LogFormat::Json => log.json().flatten_event(true).try_init(),
        };
    }

    async fn register(global: &Global, args: &Register) -> Result<(), Failure> {
        let mut choice = Choice::default();
        choice.job.clone_from(&args.job);
        choice.run.clone_from(&args.run);
        choice.preset.clone_from(&args.preset);
        choice.kind.clone_from(&args.kind);
        choice.allow_gaps = args.allow_gaps;
        choice.schema.clone_from(&args.schema);
        let options = global.store_options();
        let known = register_forecast(&args.data, &args.name, &args.source, &choice, &options).await?;
        match global.json {
            true => output::json(&known),
            false => output::print(&format!("{}\n", known.forecast_arn)),
        }
    }
}

#[cfg(not(feature = "serve"))]
mod without {
    use super::super::Stop;
    use super::super::args::Global;
    use super::super::failure::Failure;
    use super::super::serve_args::Serve;

    pub(crate) async fn serve(_: &Global, _: &Serve, _: &Stop) -> Result<(), Failure> {
        Err(Failure::Usage(
            "this forecast-export was built without its server; the released one has it, and so has one that is \
             built with: cargo build --release --features serve"
                .into(),
        ))
    }
}
