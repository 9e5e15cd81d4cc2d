"""The templates that mutations start from."""

from __future__ import annotations

import json
from pathlib import Path

from neargate.model.errors import AwsError
from neargate.planners import template as language
from tests.fuzz.mutations import Json

_HERE = Path(__file__).parents[2]
_SUFFIXES = (".yml", ".yaml", ".json", ".template")
LARGEST = 5_000  # bytes

EVERY_FUNCTION = """
Transform: AWS::LanguageExtensions
Parameters:
  Env: {Type: String, Default: prod, AllowedValues: [prod, dev]}
  Names: {Type: CommaDelimitedList, Default: "a,b"}
  Days: {Type: Number, Default: 7}
Mappings: {Sizes: {prod: {days: "14"}, dev: {days: "7"}}}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  Both: !And [!Condition IsProd, !Not [!Equals [!Ref Days, 1]]]
Rules:
  R: {Assertions: [{Assert: {"Fn::Contains": [[prod, dev], !Ref Env]}}]}
Resources:
  Fn::ForEach::Groups:
    - Name
    - !Ref Names
    - Group${Name}:
        Type: AWS::Logs::LogGroup
        Properties: {LogGroupName: !Sub "/${AWS::StackName}/${Name}", RetentionInDays: !Ref Days}
  Role:
    Type: AWS::IAM::Role
    Condition: IsProd
    DeletionPolicy: Retain
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole"}]
  Parameter:
    Type: AWS::SSM::Parameter
    DependsOn: [Groupa]
    Metadata: {A: [1, b]}
    Properties:
      Type: String
      Value: !If [Both, !Join [",", [!GetAtt Groupa.Arn, !Select [1, !Ref Names]]], !Ref "AWS::Region"]
      Description: {"Fn::ToJsonString": {n: {"Fn::Length": !Ref Names}}}
      Tier: !FindInMap [Sizes, none, tier, {DefaultValue: Standard}]
Outputs:
  Arn: {Condition: IsProd, Value: !GetAtt Role.Arn, Export: {Name: !Sub "${AWS::StackName}-arn"}}
  Zone: {Value: !Select [0, !GetAZs ""]}
  Block: {Value: !Select [1, !Cidr ["10.0.0.0/16", 4, 8]]}
  Text: {Value: !Base64 {"Fn::Sub": ["${a}", {a: !Ref Env}]}}
"""

EVERY_ATTRIBUTE = """
Resources:
  Bucket: {Type: AWS::S3::Bucket, UpdateReplacePolicy: Retain, Properties: {Tags: [{Key: a, Value: b}]}}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Statement: [{Effect: Deny, Principal: "*", Action: "s3:GetObject", Resource: !Sub "${Bucket.Arn}/*"}]
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: a, SecurityGroupIngress: [{IpProtocol: "-1", CidrIp: 10.0.0.0/8}]}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Ref AWS::StackName
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: 256
      Memory: 0.5GB
      ContainerDefinitions: [{Name: a, Image: web, PortMappings: [{ContainerPort: "80"}], Environment: []}]
  Cluster: {Type: AWS::ECS::Cluster, DeletionPolicy: RetainExceptOnCreate}
  Repository: {Type: AWS::ECR::Repository}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {GenerateSecretString: {PasswordLength: 12}}}
  Policies:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Deny, Action: "*", Resource: !GetAtt Bucket.Arn}]}
"""


def own() -> list[Json]:
    """What the project itself has."""
    return [_plain(language.read(text)) for text in (EVERY_FUNCTION, EVERY_ATTRIBUTE)] + found_in(
        [_HERE / "examples", _HERE / "tests" / "scenarios" / "shared"]
    )


def found_in(directories: list[Path]) -> list[Json]:
    """The templates of at most LARGEST bytes in these directories and below."""
    found = []
    for directory in directories:
        for file in sorted(directory.rglob("*")):
            if file.suffix not in _SUFFIXES or not file.is_file() or file.stat().st_size > LARGEST:
                continue
            try:
                data = language.read(file.read_text())
            except (AwsError, UnicodeError):
                continue
            if isinstance(data.get("Resources"), dict):
                found.append(_plain(data))
    return found


def _plain(data: Json) -> Json:
    copied: Json = json.loads(json.dumps(data))
    return copied
