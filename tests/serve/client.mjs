// Every operation of the server and some of its errors, by AWS's SDK for JavaScript: tests/serve/javascript.py runs this
// with the server's URL, a forecast's ARN and a role's. It ends with an error where an answer is not as it should be.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import {
  CreateForecastExportJobCommand,
  DeleteForecastExportJobCommand,
  DeleteResourceTreeCommand,
  DescribeForecastCommand,
  DescribeForecastExportJobCommand,
  ForecastClient,
  InvalidInputException,
  ListForecastExportJobsCommand,
  ListForecastsCommand,
  ListTagsForResourceCommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException,
  StopResourceCommand,
  TagResourceCommand,
  UntagResourceCommand,
  paginateListForecastExportJobs,
} from "@aws-sdk/client-forecast";

const [endpoint, ForecastArn, RoleArn] = process.argv.slice(2);
const client = new ForecastClient({ endpoint, maxAttempts: 1 });

async function refused(kind, command) {
  try {
    await client.send(command);
  } catch (error) {
    assert.ok(error instanceof kind, error);
    assert.equal(error.name, kind.name);
    assert.ok(error.message.length > 0);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return error.message;
  }
  assert.fail(`not refused: ${command.constructor.name}`);
}

function create(ForecastExportJobName, more = {}) {
  const Destination = { S3Config: { Path: `s3://exports/${ForecastExportJobName}`, RoleArn } };
  return new CreateForecastExportJobCommand({ ForecastExportJobName, ForecastArn, Destination, ...more });
}

async function ended(ForecastExportJobArn) {
  for (;;) {
    const job = await client.send(new DescribeForecastExportJobCommand({ ForecastExportJobArn }));
    if (!["CREATE_PENDING", "CREATE_IN_PROGRESS"].includes(job.Status)) return job;
    await pause(50);
  }
}

const forecast = await client.send(new DescribeForecastCommand({ ForecastArn }));
assert.deepEqual(forecast.ForecastTypes, ["0.1", "0.5", "0.9"]);
assert.ok(forecast.CreationTime instanceof Date);
const forecasts = await client.send(new ListForecastsCommand({}));
assert.deepEqual(forecasts.Forecasts.map((one) => one.ForecastArn), [ForecastArn]);

const before = Date.now();
const tags = [{ Key: "チーム", Value: "需要予測 𠮟" }, { Key: "empty", Value: "" }];
const { ForecastExportJobArn } = await client.send(create("first", { Format: "PARQUET", Tags: tags }));
const job = await ended(ForecastExportJobArn);
assert.equal(job.Status, "ACTIVE", job.Message);
assert.equal(job.ForecastExportJobArn, ForecastExportJobArn);
assert.equal(job.ForecastArn, ForecastArn);
assert.equal(job.Format, "PARQUET");
assert.deepEqual(job.Destination, { S3Config: { Path: "s3://exports/first", RoleArn } });
assert.equal(job.Message, undefined);
// Dates with milliseconds.
assert.ok(before <= job.CreationTime.getTime() && job.CreationTime <= job.LastModificationTime, job.CreationTime);
assert.ok(job.LastModificationTime.getTime() <= Date.now());

const second = await client.send(create("second"));
await ended(second.ForecastExportJobArn);
const pages = [];
for await (const page of paginateListForecastExportJobs({ client, pageSize: 1 }, {})) {
  pages.push(page.ForecastExportJobs.map((one) => one.ForecastExportJobName));
}
assert.deepEqual(pages, [["second"], ["first"]]);
const filtered = await client.send(
  new ListForecastExportJobsCommand({ Filters: [{ Key: "Status", Condition: "IS_NOT", Value: "ACTIVE" }] }),
);
assert.deepEqual(filtered.ForecastExportJobs, []);

const ResourceArn = ForecastExportJobArn;
await client.send(new TagResourceCommand({ ResourceArn, Tags: [{ Key: "empty", Value: "aws:x" }] }));
await client.send(new UntagResourceCommand({ ResourceArn, TagKeys: ["チーム"] }));
const left = await client.send(new ListTagsForResourceCommand({ ResourceArn }));
assert.deepEqual(left.Tags, [{ Key: "empty", Value: "aws:x" }]);

await refused(InvalidInputException, create("no-name"));
await refused(ResourceAlreadyExistsException, create("first"));
await client.send(new StopResourceCommand({ ResourceArn }));
await client.send(new DeleteForecastExportJobCommand({ ForecastExportJobArn }));
const message = await refused(ResourceNotFoundException, new DescribeForecastExportJobCommand({ ForecastExportJobArn }));
assert.ok(message.includes(ForecastExportJobArn), message);
await client.send(new DeleteResourceTreeCommand({ ResourceArn: ForecastArn }));
const none = await client.send(new ListForecastExportJobsCommand({}));
assert.deepEqual([none.ForecastExportJobs, none.NextToken], [[], undefined]);
console.log("ok      every operation by the SDK for JavaScript");
